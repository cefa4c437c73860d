"""The main job as a demonstration: an MQTT ingest pipeline on real traffic.

The broker is a real one. The publishers are processes of their own. A subscriber puts every message into one
elastic queue. A processor takes batches and commits them to a database. A ledger accounts for each message.
Run the demo with `python -m elasticq demo`; it needs the extra `elasticq[demo]`.

    message       what is on the wire, and how a message is recognised and checked
    guard         child processes that end with their parent
    child         a program in a process of its own, as the demo sees it
    broker        the nats-server process, from finding its program to stopping it
    publisher     the program that publishes, and the handle that runs it for the demo
    subscription  the MQTT client that gets all messages
    pipeline      subscriber -> queue -> processor
    exporter      the page with the queues' metrics, which Prometheus scrapes
    levels        the queue for --priority, which serves messages by their QoS
    ledger        what was sent, received and processed, and whether that is right; plain data
    display       the live view, the plain progress lines and the final tables
    run           one run, from the start to the ledger
    durable/      the same for --durable: a pipeline that is killed, on a queue in files
    cli           arguments and exit status
"""

from __future__ import annotations


class DemoError(RuntimeError):
    """The demo could not be set up. The text says what stood in the way."""
