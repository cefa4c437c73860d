"""How this project measures: our queues and those of others take turns in one run.

The command `elasticq bench` measures a few cases with it, on the machine of whoever asks. `benches/python` of
the repository measures many more with the same parts.

    machine    what a measurement was made on
    settled    when a figure is settled
    standings  times per item, and how many times as fast ours is
    contest    samples, and how long they have to be
    loops      the loops of producers and consumers
    ends       the queues that take part, by their two ends
    files      the same of queues in files
    trials     loops over queues, which check what comes out
    cases      what the command measures
    report     tables and JSON
    plot       a picture, which matplotlib draws
    cli        the command
"""
