"""The command `elasticq`, which is `python -m elasticq`: what its commands share, and most of them.

`elasticq.__main__` finds the command. A command's `parser` says what it takes, and its `main` does the work.
No command but `demo` needs an extra. With `rich` (the extra `cli`) a terminal shows prettier tables.

    commands    the commands by name
    common      exit statuses, stderr, JSON lines, and what goes wrong
    manual      the parsers, whose --help reads like a manual
    terminal    colours or none, how wide, and tables that fit
    completion  scripts for bash, zsh and fish, from the parsers

The tools for the files of durable queues are for a person with a broken disk at night. So each says what it
found and what can be done about it, and none makes anything worse. The crate does the work.

    durable     what they share: their parsers, progress, and the crate's answers
    values      stored values as JSON
    report      what the crate answers, in lines for people
    inspect, verify, repair, compact, export    a module for each command

The live view of a process:

    top         the command
    looks       one look at a process, over its socket or its page of metrics
    figures     what a look says of each queue, and rates between two looks

`demo` and `bench` have folders of their own beside this one.
"""
