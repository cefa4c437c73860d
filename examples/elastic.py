"""A burst and what it leaves: the capacity follows the use, up and down.

python examples/elastic.py
"""

from __future__ import annotations

import elasticq


def main() -> None:
    buffer: elasticq.DynamicCircularBuffer[int] = elasticq.DynamicCircularBuffer(
        initial_capacity=512,
        min_capacity=256,
        max_capacity=100_000,
        growth_factor=1.5,
        shrink_threshold=0.3,
    )
    for burst in (1_000, 10_000, 100_000):
        buffer.push_batch(range(burst))
        grown = buffer.capacity
        while buffer:  # false when empty
            buffer.pop_batch(4_000)
        print(f"a burst of {burst:>7,}: capacity {grown:>7,}, then {buffer.capacity}")
        assert grown >= burst
        assert buffer.capacity == 256

    try:
        buffer.push_batch(range(100_001))
    except elasticq.Full as refused:
        print(f"refused, and nothing of it was added: {refused}")
        assert not buffer


if __name__ == "__main__":
    main()
