//! Random calls against a list, with restarts in between.

use super::disk::Disk;
use super::{MODES, Random, data, item, items, number, open, small};
use crate::BufferError;
use crate::persistent::core::Extra;

#[test]
fn it_does_what_a_list_does() {
    for mode in MODES {
        for seed in 0..20 {
            let mut random = Random::new(seed);
            let mut disk = Disk::default();
            let mut core = open(&disk, small(mode)).unwrap();
            // Items that can be taken, oldest first, and leases: item, number in the queue, token.
            let mut ready: Vec<u32> = Vec::new();
            let mut leased: Vec<(u32, u64, u64)> = Vec::new();
            let (mut next, mut gone) = (0, 0);
            for step in 0..300 {
                let what = format!("mode {mode:?}, seed {seed}, step {step}");
                match random.below(100) {
                    0..30 => {
                        let count = 1 + random.below(3) as u32;
                        let length = random.below(6000);
                        let new: Vec<Vec<u8>> = (next..next + count).map(|number| item(number, length)).collect();
                        let slices: Vec<&[u8]> = new.iter().map(Vec::as_slice).collect();
                        core.put(&slices, Extra::default()).unwrap();
                        ready.extend(next..next + count);
                        next += count;
                    }
                    30..55 => {
                        let most = 1 + random.below(3);
                        match core.pop(most) {
                            Ok(popped) => {
                                let popped: Vec<u32> = popped.iter().map(|item| number(&data(&item.payload))).collect();
                                let expected: Vec<u32> = ready.drain(..most.min(ready.len())).collect();
                                assert_eq!(popped, expected, "{what}");
                                gone += popped.len();
                            }
                            Err(error) => assert!(error == BufferError::Empty && ready.is_empty(), "{what}: {error}"),
                        }
                    }
                    55..70 => {
                        let most = 1 + random.below(3);
                        for (read, token) in core.lease(most, None).unwrap_or_default() {
                            assert_eq!(number(&data(&read.payload)), ready.remove(0), "{what}");
                            leased.push((number(&data(&read.payload)), read.number, token));
                        }
                    }
                    70..80 if !leased.is_empty() => {
                        let (_, number, token) = leased.remove(random.below(leased.len()));
                        core.ack(&[(number, token)]).unwrap();
                        gone += 1;
                    }
                    80..90 if !leased.is_empty() => {
                        let (item, number, token) = leased.remove(random.below(leased.len()));
                        core.nack(number, token, 0).unwrap();
                        ready.push(item);
                        ready.sort_unstable();
                    }
                    90..93 => core.compact().unwrap(),
                    93..96 => core.tidy().unwrap(),
                    96 => {
                        gone += core.clear().unwrap();
                        ready.clear();
                    }
                    97..99 => {
                        if random.below(2) == 0 {
                            core.finish().unwrap();
                        }
                        drop(core);
                        disk = disk.after_kill();
                        let mode = if seed % 2 == 0 { mode } else { MODES[random.below(3)] };
                        core = open(&disk, small(mode)).unwrap();
                        ready.extend(leased.drain(..).map(|(item, ..)| item));
                        ready.sort_unstable();
                    }
                    _ => core.sync().unwrap(),
                }
                assert_eq!(core.len(), ready.len(), "{what}");
                let stats = core.stats();
                let inside = stats.queue.current_size;
                assert_eq!(inside, ready.len() + leased.len(), "{what}");
                assert_eq!(stats.queue.messages_enqueued as usize, inside + gone, "{what}");
                if step % 10 == 0 {
                    let seen: Vec<u32> = items(&core).unwrap().iter().map(|item| number(item)).collect();
                    assert_eq!(seen, ready, "{what}");
                }
            }
        }
    }
}
