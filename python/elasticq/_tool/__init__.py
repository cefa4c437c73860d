"""The tools for the files of durable queues: `python -m elasticq inspect|verify|repair|compact|export PATH`.

They are for a person with a broken disk at night. So each says what it found and what can be done about it,
and none makes anything worse. The work is done in the crate; here are words and tables.

    common    arguments, exit statuses, progress, and what goes wrong
    values    stored values as JSON
    report    what the crate answers, in lines for people
    inspect, verify, repair, compact, export    a module for each command
"""
