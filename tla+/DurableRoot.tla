----------------------------- MODULE DurableRoot -----------------------------
(***************************************************************************)
(* Threads that give up files of the durable queue at the same time. In    *)
(* DurableLog.tla there is one such thread, and the content of files is    *)
(* exact. Here each thread goes step by step, and of a file there is only  *)
(* what matters for that. docs/verification.md says what is left out and   *)
(* what is proven.                                                         *)
(*                                                                         *)
(* The log is a chain of segments with numbers. Each has one item. Which   *)
(* segment is the first that is needed is written at the end of the log,   *)
(* and with the state at the beginning of each segment. A segment links to *)
(* the end of the one before. The root says with which segment the log     *)
(* begins; as long as it says nothing, with the oldest.                    *)
(*                                                                         *)
(* A thread that gives up files:                                           *)
(*  1. looks which segment is the first that is needed,                    *)
(*  2. leads: nobody else syncs or reports. It syncs from there on,        *)
(*  3. writes the root, if that says an older one, and syncs it. Then it   *)
(*     reports what it has synced, and does not lead any more,             *)
(*  4. removes the older segments, one by one, and syncs the directory.    *)
(* Between any two steps others do theirs, so what it has seen may be old. *)
(*                                                                         *)
(* The words of the queue:                                                 *)
(*   tail      the last segment                                            *)
(*   need      the first segment that is needed                            *)
(*   givers    for each thread the step it has come to, and what it found  *)
(*   leader    who leads; 0: nobody                                        *)
(*   batch     what the leader has synced and not reported yet             *)
(*   oldest    from which segment on a sync has to go                      *)
(*   begins    with which segment the log begins, as the process knows     *)
(*   durable   what was reported: the last segment, and the first needed   *)
(*   phase     what the process does                                       *)
(* The words of the disk:                                                  *)
(*   names     the segments that have files, in the cache and on the disk  *)
(*   says      what each segment's last record says is needed, in the      *)
(*             cache and on the disk; 0: not even its beginning is there   *)
(*   links     what the last record of the segment before says, as each    *)
(*             segment's header knows                                      *)
(*   root      the number in the root, in the cache and on the disk        *)
(* The words of the proof:                                                 *)
(*   crashes   how many times the process or the machine has gone down     *)
(*   fault     what a recovery found that must not be                      *)
(***************************************************************************)
EXTENDS Naturals, FiniteSets

CONSTANTS
    Givers,       \* threads that give up files
    Segments,     \* how many segments there may be
    Crashes,      \* how many crashes there may be
    Mutant        \* "none", or the mistake to be made

VARIABLES tail, need, givers, leader, batch, oldest, begins, durable, phase,
          names, says, links, root, crashes, fault

log == <<tail, need>>
threads == <<givers, leader, batch, oldest, begins, durable>>
machine == <<names, says, links, root>>
proof == <<crashes, fault>>
vars == <<log, threads, phase, machine, proof>>

Nobody == 0
Nothing == 0            \* what a root says that says nothing, and a segment that is not there

Min(set) == CHOOSE x \in set : \A y \in set : x <= y
Max(set) == CHOOSE x \in set : \A y \in set : x >= y

Numbers == 1 .. Segments
Both(x) == [cache |-> x, disk |-> x]
Idle == [step |-> "idle", number |-> Nothing, writes |-> FALSE]
All(upTo, needed) == [upTo |-> upTo, need |-> needed]

Init ==
    /\ tail = 1 /\ need = 1
    /\ givers = [g \in Givers |-> Idle]
    /\ leader = Nobody /\ batch = All(0, 0)
    /\ oldest = 1 /\ begins = 1
    /\ durable = All(1, 1)
    /\ phase = "up"
    /\ names = Both({1})
    /\ says = Both([s \in Numbers |-> IF s = 1 THEN 1 ELSE Nothing])
    /\ links = [s \in Numbers |-> Nothing]
    /\ root = Both(Nothing)
    /\ crashes = 0 /\ fault = "none"

-----------------------------------------------------------------------------
(* Putting, taking and syncing *)

\* A new segment begins, with the state. Its file is a new one.
Rotate ==
    /\ phase = "up" /\ tail < Segments
    /\ tail' = tail + 1
    /\ names' = [names EXCEPT !.cache = @ \cup {tail'}]
    /\ says' = [cache |-> [says.cache EXCEPT ![tail'] = need], disk |-> [says.disk EXCEPT ![tail'] = Nothing]]
    /\ links' = [links EXCEPT ![tail'] = says.cache[tail]]
    /\ UNCHANGED <<need, threads, phase, root, proof>>

\* The last item in a segment is taken, and a record says so.
Take ==
    /\ phase = "up" /\ need < tail
    /\ need' = need + 1
    /\ says' = [says EXCEPT !.cache[tail] = need']
    /\ UNCHANGED <<tail, threads, phase, names, links, root, proof>>

\* What is on the disk when the segments from one on were synced. The directory is synced for a name that is
\* not there; then all changes of names are.
SyncedFrom(first) ==
    LET some == {s \in names.cache : s >= first}
    IN /\ says' = [says EXCEPT !.disk = [s \in Numbers |-> IF s \in some THEN says.cache[s] ELSE @[s]]]
       /\ names' = IF some \subseteq names.disk THEN names ELSE Both(names.cache)

\* A call leads a sync and reports. That is one step, since a power cut just before it leaves whatever a part
\* of it could have done, and what came meanwhile may as well have come later.
Sync ==
    /\ phase = "up" /\ leader = Nobody /\ durable # All(tail, need)
    /\ SyncedFrom(oldest)
    /\ oldest' = tail
    /\ durable' = All(tail, need)
    /\ UNCHANGED <<log, givers, leader, batch, begins, phase, links, root, proof>>

-----------------------------------------------------------------------------
(* Giving up files *)

Is(g, step) == phase = "up" /\ givers[g].step = step
Goes(g, step) == givers' = [givers EXCEPT ![g].step = step]

\* Looks for the first segment that is needed, under the consumers' lock.
Look(g) ==
    /\ Is(g, "idle") /\ \E s \in names.cache : s < need
    /\ givers' = [givers EXCEPT ![g] =
           [step |-> IF Mutant = "removed before the root is written" THEN "removes" ELSE "found",
            number |-> need,
            writes |-> Mutant = "the root is compared before the lock" => need > begins]]
    /\ UNCHANGED <<log, leader, batch, oldest, begins, durable, phase, machine, proof>>

\* What was synced is reported. The thread does not lead any more.
Reports(g) ==
    /\ durable' = batch /\ oldest' = batch.upTo
    /\ leader' = Nobody /\ batch' = All(0, 0)
    /\ Goes(g, "removes")

\* Leads, and syncs what is needed.
Lead(g) ==
    /\ Is(g, "found") /\ leader = Nobody
    /\ leader' = g
    /\ batch' = All(tail, need)
    /\ IF Mutant = "what is needed is not synced"
       THEN UNCHANGED <<says, names>>
       ELSE SyncedFrom(givers[g].number)
    /\ IF Mutant = "reported before the log begins there"
       THEN durable' = batch' /\ oldest' = tail
       ELSE UNCHANGED <<durable, oldest>>
    /\ Goes(g, "leads")
    /\ UNCHANGED <<log, begins, phase, links, root, proof>>

\* Looks what the root says, and writes it.
WriteRoot(g) ==
    /\ Is(g, "leads")
    /\ LET number == givers[g].number
           writes == CASE Mutant = "the root goes back" -> TRUE
                       [] Mutant = "the root is compared before the lock" -> givers[g].writes
                       [] OTHER -> number > begins
       IN IF writes
          THEN /\ root' = [root EXCEPT !.cache = number]
               /\ begins' = IF Mutant = "the root counts before it is synced" THEN number ELSE begins
               /\ Goes(g, "writes")
               /\ UNCHANGED <<leader, batch, oldest, durable>>
          ELSE Reports(g) /\ UNCHANGED <<root, begins>>
    /\ UNCHANGED <<log, phase, names, says, links, proof>>

\* With this mistake a thread does not lead if it finds the root far enough.
GoOn(g) ==
    /\ Mutant = "the root counts before it is synced"
    /\ Is(g, "found") /\ givers[g].number <= begins
    /\ Goes(g, "removes")
    /\ UNCHANGED <<log, leader, batch, oldest, begins, durable, phase, machine, proof>>

\* Syncs the root.
SyncRoot(g) ==
    /\ Is(g, "writes")
    /\ root' = IF Mutant = "the root is not synced" THEN root ELSE Both(root.cache)
    /\ begins' = givers[g].number
    /\ Reports(g)
    /\ UNCHANGED <<log, phase, names, says, links, proof>>

\* Removes the oldest segment, if it is not needed.
Remove(g) ==
    /\ Is(g, "removes")
    /\ LET gone == Min(names.cache)
       IN /\ gone < givers[g].number
          /\ names' = [names EXCEPT !.cache = @ \ {gone}]
    /\ UNCHANGED <<log, threads, phase, says, links, root, proof>>

\* Syncs the directory when none is left.
SyncNames(g) ==
    /\ Is(g, "removes") /\ \A s \in names.cache : s >= givers[g].number
    /\ names' = Both(names.cache)
    /\ givers' = [givers EXCEPT ![g] = Idle]
    /\ UNCHANGED <<log, leader, batch, oldest, begins, durable, phase, says, links, root, proof>>

-----------------------------------------------------------------------------
(* Crashes and recovery *)

\* The process starts again, and reads these files. It begins where the root says, and goes on while segments
\* link: each to the end of the one before.
Restart(files, content, number, newDisk, killed) ==
    LET first == IF number = Nothing THEN Min(files \cup {Segments + 1}) ELSE number
        isThere(s) == s \in files /\ content[s] # Nothing
        follows(s) == isThere(s) /\ links[s] = content[s - 1]
        end == Max({first} \cup {s \in Numbers : s > first /\ \A t \in first + 1 .. s : follows(t)})
        needed == content[end]
        opens == first \in Numbers /\ isThere(first) /\ needed >= first
        keeps == end >= durable.upTo /\ needed >= durable.need
        isExact == end = tail /\ needed = need
    IN /\ fault' = CASE ~opens -> "missing"
                     [] ~keeps -> "lost"
                     [] killed /\ ~isExact -> "lost"
                     [] OTHER -> "none"
       /\ crashes' = crashes + 1
       /\ givers' = [g \in Givers |-> Idle]
       /\ leader' = Nobody /\ batch' = All(0, 0)
       /\ UNCHANGED <<durable, links>>
       /\ IF fault' # "none"
          THEN phase' = "over" /\ UNCHANGED <<log, oldest, begins, names, says, root>>
          ELSE /\ phase' = "has read"
               /\ tail' = end /\ need' = needed /\ oldest' = first /\ begins' = first
               /\ names' = [cache |-> files, disk |-> newDisk.names]
               /\ says' = [cache |-> content, disk |-> newDisk.says]
               /\ root' = [cache |-> number, disk |-> newDisk.root]

\* The process is killed, and the page cache stays.
Kill ==
    /\ phase # "over" /\ crashes < Crashes
    /\ Restart(names.cache, says.cache, root.cache,
               [names |-> names.disk, says |-> says.disk, root |-> root.disk], TRUE)

\* The machine loses power: any of what is not synced survives.
PowerCut ==
    /\ phase # "over" /\ crashes < Crashes
    /\ \E new \in SUBSET {s \in Numbers : (s \in names.cache) # (s \in names.disk)},
          written \in SUBSET {s \in names.cache \cup names.disk : says.cache[s] # says.disk[s]},
          number \in {root.cache, root.disk} :
        LET files == {s \in Numbers : IF s \in new THEN s \in names.cache ELSE s \in names.disk}
            content == [s \in Numbers |-> IF s \in written THEN says.cache[s] ELSE says.disk[s]]
        IN Restart(files, content, number, [names |-> files, says |-> content, root |-> number], FALSE)

\* Recovery writes the root again and syncs it.
RootIsSynced ==
    /\ phase = "has read"
    /\ root' = IF Mutant = "recovery does not sync the root" THEN root ELSE Both(root.cache)
    /\ phase' = "has synced the root"
    /\ UNCHANGED <<log, threads, names, says, links, proof>>

\* It removes what stands before the root, and behind the end.
OthersAreRemoved ==
    /\ phase = "has synced the root"
    /\ names' = [names EXCEPT !.cache = begins .. tail]
    /\ phase' = "has removed"
    /\ UNCHANGED <<log, threads, says, links, root, proof>>

\* It syncs the directory and the last segment.
Recovered ==
    /\ phase = "has removed"
    /\ names' = Both(names.cache)
    /\ says' = [says EXCEPT !.disk[tail] = says.cache[tail]]
    /\ phase' = "up"
    /\ UNCHANGED <<log, threads, links, root, proof>>

-----------------------------------------------------------------------------
\* Nothing need happen: the numbers of segments and of crashes are bounded.
Rest == UNCHANGED vars

Next ==
    \/ Rotate \/ Take \/ Sync
    \/ \E g \in Givers :
        Look(g) \/ Lead(g) \/ GoOn(g) \/ WriteRoot(g) \/ SyncRoot(g) \/ Remove(g) \/ SyncNames(g)
    \/ Kill \/ PowerCut \/ RootIsSynced \/ OthersAreRemoved \/ Recovered
    \/ Rest

Spec == Init /\ [][Next]_vars

-----------------------------------------------------------------------------
TypeOK ==
    /\ tail \in Numbers /\ need \in 1 .. tail
    /\ names \in [cache : SUBSET Numbers, disk : SUBSET Numbers]
    /\ root \in [cache : 0 .. Segments, disk : 0 .. Segments]
    /\ leader \in Givers \cup {Nobody}
    /\ crashes \in 0 .. Crashes

\* A queue always opens: the segment with which the log begins is there, and no record says that an older one
\* is needed.
AlwaysOpens == fault # "missing"

\* What was reported survives any number of crashes, pops as well as items; a kill loses nothing at all.
NothingLost == fault # "lost"

\* No file goes that is needed.
NeededStays == phase = "up" => need .. tail \subseteq names.cache
=============================================================================
