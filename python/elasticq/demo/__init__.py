"""The main job as a demonstration: an MQTT ingest pipeline on real traffic.

A real broker, publishers in processes of their own, a subscriber that puts every message into one elastic
queue, a processor that takes batches out and commits them to a database, and a ledger that accounts for each
message. Run it with `python -m elasticq demo`; it needs the extra `elasticq[demo]`.

    message    what is on the wire, and how a message is recognised and checked
    guard      a child process that ends with its parent
    broker     the nats-server process, from finding its program to stopping it
    publisher  the program that publishes, and the handle by which the demo runs it
    pipeline   subscriber -> queue -> processor
    levels     the queue of --priority, which serves messages by their QoS
    ledger     what was sent, received and processed, and whether that is right; plain data
    display    the live view, the plain progress lines and the final tables
    run        one run from start to ledger
    cli        arguments and exit status
"""

from __future__ import annotations


class DemoError(RuntimeError):
    """The demo could not be set up; the message says what stood in the way."""
