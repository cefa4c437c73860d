"""The demo with --durable: the pipeline's queue is in files, and the pipeline is killed twice on the way.

pipeline   ingest -> durable queue -> processor with leases; the program that is killed
records    what the lives of this program told, and what is in the database; plain data
ledger     what was sent, handed over, stored and delivered, and whether that is right; plain data
run        one run: the lives of the pipeline, the two kills, and the ledger
display    the final tables
"""
