----------------------------- MODULE DurableLog -----------------------------
(***************************************************************************)
(* The log of the durable queue, and the disk below it. docs/              *)
(* verification.md says what is left out and what is proven.               *)
(*                                                                         *)
(* The log is a chain of segments. A segment is a file. In its first page  *)
(* stands a header, and each other page holds one record. Each record is   *)
(* linked to the record before it. A header is linked to the last record   *)
(* of the segment before. A link is a checksum; here it is exact. So a     *)
(* record is written as the whole history that ends with it, and it links  *)
(* to a place if all but its last entry is the history up to that place.   *)
(* Two records of the same content at the same place are equal.            *)
(*                                                                         *)
(* A page is the old one or the new one after a power cut, each page by    *)
(* itself, until it is synced. A name is there or not, each name by        *)
(* itself, until the directory is synced.                                  *)
(*                                                                         *)
(* The rules:                                                              *)
(*  1. What a sync reports is on the disk: every segment up to it, whole,  *)
(*     their headers, and their names.                                     *)
(*  2. A sync reports what was written before it began.                    *)
(*  3. A mark says how far the log was on the disk when it was written. No *)
(*     mark says more.                                                     *)
(*  4. A segment begins with a snapshot of the state. A word of its own,   *)
(*     the root, says with which segment the log begins. It may be a later *)
(*     one if that and all that follows is on the disk and, as far as it   *)
(*     is, all items in the older ones are popped. These need not be on    *)
(*     the disk themselves. They go, in any order, when the root is on the *)
(*     disk.                                                               *)
(*  5. A file is written again for another segment only when its old name  *)
(*     has gone from the disk.                                             *)
(*  6. Recovery syncs the root, and begins with it. It goes on while       *)
(*     records link, and enters the next segment only if its header links  *)
(*     and its snapshot is there. If a mark beyond the end says more, it   *)
(*     reports damage.                                                     *)
(*  7. Recovery removes the segments beyond the end, and syncs the         *)
(*     directory, before anything is written. Then it makes the headers of *)
(*     these files and of all spare ones blank, and syncs them, before any *)
(*     is used again: one may be a lost header of the very segment that    *)
(*     comes next.                                                         *)
(*  8. Recovery goes on in the same segment only if nothing stands behind  *)
(*     the end, or the last record says that the log was closed. Else the  *)
(*     next record begins a new segment. The first record behind a closing *)
(*     is like no record before it.                                        *)
(*  9. Recovery can't tell what it reads from the page cache from what is  *)
(*     on the disk. So it writes again what no mark covers, and syncs.     *)
(* 10. After a sync has failed nothing is reported any more, until the log *)
(*     is opened again. (The pages that were not written count as clean    *)
(*     for the system, so the next sync would succeed without them.)       *)
(* 11. Pops may be noted in a cell of the header's page instead of a       *)
(*     record. The cell says up to where the items in line are popped. It  *)
(*     names the last record that tells of items that were taken, its      *)
(*     base, by that record's link. A sync reports records, so a record is *)
(*     written before a sync that is to cover these pops, and before a     *)
(*     segment is dropped that they have drained.                          *)
(* 12. Recovery believes the cell of the last segment if its base is the   *)
(*     last such record that was read, and no further than the log goes.   *)
(*     Otherwise it puts the cell right, on the disk too, before anything  *)
(*     is written.                                                         *)
(*                                                                         *)
(* The words of the queue:                                                 *)
(*   log       its history: all entries since the beginning                *)
(*   written   how much of it is in files. The rest is in the memory of    *)
(*             those who wait for the leader                               *)
(*   durable   how much of it was reported to be durable                   *)
(*   rest      from which segment on, and up to where, the cleaner has     *)
(*             synced the log                                              *)
(*   sealed    whether the next record begins a new segment                *)
(*   noted     up to where the items are popped by the cell; 0: no record  *)
(*             is behind it                                                *)
(*   phase     what the process does                                       *)
(* The words of the disk:                                                  *)
(*   cache     each file's name and pages, as every reader sees them       *)
(*   disk      the same, as they were when they were last synced           *)
(*   root      the number in the root, in the cache and on the disk        *)
(*   lost      pages that a failed sync did not write, and that count as   *)
(*             clean                                                       *)
(* The words of the proof:                                                 *)
(*   crashes   how many times the process or the machine has gone down     *)
(*   fault     what a recovery found that must not be; each property names *)
(*             one of them                                                 *)
(***************************************************************************)
EXTENDS Naturals, Sequences, FiniteSets, TLC

CONSTANTS
    Files,        \* numbers of files
    Slots,        \* records in a segment, its snapshot included
    Longest,      \* how long the history gets
    Crashes,      \* how many crashes there may be
    Recycles,     \* whether a drained segment's file is used again with what is in it
    EveryWrite,   \* whether records wait in memory until a leader writes and syncs them
    Fails,        \* whether a sync may fail
    Kills,        \* whether the process may be killed, and started again, while the machine goes on
    Closes,       \* whether the log may be closed and opened again
    Cells,        \* whether pops may be noted in a cell
    Leases,       \* whether items may be leased
    Skips,        \* whether segments may go without having been on the disk
    Mutant        \* "none", or the mistake to be made

VARIABLES log, written, durable, rest, sealed, noted, phase, cache, disk, root, lost, crashes, fault

queue == <<log, written, durable, rest, sealed, noted, phase>>
machine == <<cache, disk, root, lost>>
proof == <<crashes, fault>>
vars == <<queue, machine, proof>>

Min(set) == CHOOSE x \in set : \A y \in set : x <= y
Max(set) == CHOOSE x \in set : \A y \in set : x >= y

-----------------------------------------------------------------------------
(* Histories. An entry is <<what, number, segment, slot>>: what happened, a number that belongs to it, and
   where it stands. There are
     begin      the header of a segment, in slot 0. Its number is the salt, drawn anew for each segment
     snapshot   the state: the items up to this place are popped
     push       an item. All have the same content, as that is the worst case
     pop        the items up to this place are popped
     lease      the same, but for the item at this place, which stays inside
     close      the log was closed in good order
     open       the first record behind a closing. Its number is drawn anew *)

Last(h) == h[Len(h)]
Front(h) == SubSeq(h, 1, Len(h) - 1)
UpTo(h, place) == SubSeq(h, 1, place)
IsPrefix(g, h) == Len(g) <= Len(h) /\ UpTo(h, Len(g)) = g

What(h) == Last(h)[1]
Segment(h) == Last(h)[3]                \* in which a history ends
Slot(h) == Last(h)[4]
Header(h) == Len(h) - Slot(h)           \* the place of that segment's header
Salt(h) == h[Header(h)][2]

Places(h, what) == {p \in 1 .. Len(h) : h[p][1] = what}
Telling(h) == Places(h, "snapshot") \cup Places(h, "pop") \cup Places(h, "lease")
Told(h) == UpTo(h, Max(Telling(h)))     \* up to the last record that tells of items that were taken
Cursor(h) == Max({h[p][2] : p \in Telling(h)} \cup {0})

\* The items that are inside, by their places: those in line, if those up to some place are popped that no record
\* tells of, and those that are leased.
InLine(h, upTo) == {p \in Places(h, "push") : p > Cursor(h) /\ p > upTo}
Leased(h) == {h[p][2] : p \in Places(h, "lease")}
Inside(h, upTo) == InLine(h, upTo) \cup Leased(h)
Items(h) == Inside(h, 0)

\* One that has read the history only from some place on must know the same. (What is leased, a snapshot says.)
InsideFrom(h, from, upTo) ==
    LET cursor == Max({h[p][2] : p \in {p \in Telling(h) : p >= from}})
    IN {p \in Places(h, "push") : p >= from /\ p > cursor /\ p > upTo} \cup Leased(h)

Record(h, what, number) == Append(h, <<what, number, Segment(h), Slot(h) + 1>>)
NewSegment(h, salt, cursor) ==
    h \o << <<"begin", salt, Segment(h) + 1, 0>>, <<"snapshot", cursor, Segment(h) + 1, 1>> >>

-----------------------------------------------------------------------------
(* Pages and files *)

\* A page: a history that ends with what stands in the page, and the mark. In the code the mark is a record of
\* its own at the beginning of a group; here every record has one. No link depends on it.
Page(h, mark) == [h |-> h, mark |-> mark]
Zero == Page(<<>>, 0)
Blank == [i \in 0 .. Slots |-> Zero]
Cell(base, upTo) == [base |-> base, upTo |-> upTo]
NoCell == Cell(<<>>, 0)
NoRest == [from |-> 0, upTo |-> 0]
Nameless == 0                           \* the name of a file that is no segment: spare, or not there

First == << <<"begin", 1, 1, 0>>, <<"snapshot", 0, 1, 1>> >>
FirstPages == [Blank EXCEPT ![0] = Page(UpTo(First, 1), 0), ![1] = Page(First, 0)]

Named(files, number) == {f \in Files : files[f].name = number}
Names(files) == {files[f].name : f \in Files} \ {Nameless}

\* A number that nobody has drawn before. It stands nowhere, so no page can be taken for one with it.
Salts(h) == {h[p][2] : p \in Places(h, "begin") \cup Places(h, "open")}
NewNumber ==
    LET pages == UNION {{cache[f].pages[i].h, disk[f].pages[i].h} : f \in Files, i \in 0 .. Slots}
        drawn == Salts(log) \cup UNION {Salts(h) : h \in pages}
    IN Min((1 .. Cardinality(drawn) + 1) \ drawn)

Init ==
    /\ log = First
    /\ written = Len(First)
    /\ durable = Len(First)
    /\ rest = NoRest
    /\ root = [cache |-> 1, disk |-> 1]
    /\ sealed = FALSE
    /\ phase = "up"
    /\ noted = 0
    /\ cache = [f \in Files |-> IF f = Min(Files)
                                 THEN [name |-> 1, pages |-> FirstPages, cell |-> NoCell]
                                 ELSE [name |-> Nameless, pages |-> Blank, cell |-> NoCell]]
    /\ disk = cache
    /\ lost = {}
    /\ crashes = 0
    /\ fault = "none"

-----------------------------------------------------------------------------
(* Writing *)

Mark(h) == IF Mutant = "mark ahead of the sync" THEN Len(h) ELSE durable

\* The files when the end of a history, from a place on, is written to the segment in which it ends.
WithPages(files, h, from) ==
    LET f == CHOOSE f \in Named(files, Segment(h)) : TRUE
        new(i) == UpTo(h, Header(h) + i)
    IN [files EXCEPT ![f].pages = [i \in 0 .. Slots |->
                         IF Header(h) + i \in from .. Len(h)
                         THEN Page(new(i), IF i = 0 THEN 0 ELSE Mark(new(i)))
                         ELSE @[i]],
                     ![f].cell = IF Header(h) \in from .. Len(h) THEN NoCell ELSE @]

\* A record is appended to the segment, or put beside the others that wait for a leader.
AppendRecord(what, number) ==
    /\ phase = "up" /\ ~sealed /\ Slot(log) < Slots /\ Len(log) < Longest
    /\ log' = Record(log, what, number)
    /\ IF EveryWrite
       THEN UNCHANGED <<written, cache>>
       ELSE written' = Len(log') /\ cache' = WithPages(cache, log', Len(log'))
    /\ UNCHANGED <<durable, rest, sealed, disk, root, lost, proof>>

\* The log was opened after a closing, and nothing was written since.
MustOpen == What(log) = "close" /\ Mutant # "nothing new behind a closing"

Push == ~MustOpen /\ AppendRecord("push", 0) /\ UNCHANGED <<phase, noted>>

\* A record tells of one more pop, and of those in the cell.
Pop ==
    /\ ~MustOpen
    /\ InLine(log, noted) # {}
    /\ AppendRecord("pop", Min(InLine(log, noted)))
    /\ noted' = 0
    /\ UNCHANGED phase

\* A consumer gets an item that stays inside.
Lease ==
    /\ Leases /\ ~MustOpen
    /\ InLine(log, noted) # {}
    /\ AppendRecord("lease", Min(InLine(log, noted)))
    /\ noted' = 0
    /\ UNCHANGED phase

\* A record tells of the pops in the cell, so that a sync covers them.
PopsAreWritten ==
    /\ ~MustOpen /\ noted > 0
    /\ AppendRecord("pop", noted)
    /\ noted' = 0
    /\ UNCHANGED phase

\* A pop is noted in the cell.
PopIsNoted ==
    /\ Cells /\ ~EveryWrite /\ phase = "up"
    /\ InLine(log, noted) # {}
    /\ noted' = Min(InLine(log, noted))
    /\ LET f == CHOOSE f \in Named(cache, Segment(log)) : TRUE
       IN cache' = [cache EXCEPT ![f].cell = Cell(Told(log), noted')]
    /\ UNCHANGED <<log, written, durable, rest, sealed, phase, disk, root, lost, proof>>

\* The kernel writes a cell whenever it likes.
CellIsWritten ==
    /\ phase # "over"
    /\ \E f \in Files :
        /\ cache[f].name # Nameless /\ cache[f].cell # disk[f].cell
        /\ disk' = [disk EXCEPT ![f].cell = cache[f].cell]
    /\ UNCHANGED <<queue, cache, root, lost, proof>>

Open == MustOpen /\ AppendRecord("open", NewNumber) /\ UNCHANGED <<phase, noted>>

Close ==
    /\ Closes /\ What(log) # "close" /\ noted = 0
    /\ AppendRecord("close", 0)
    /\ phase' = "closing"
    /\ UNCHANGED noted

\* The closing is complete when it is durable. What comes then is a new process.
Closed ==
    /\ phase = "closing" /\ durable = Len(log)
    /\ phase' = "up"
    /\ UNCHANGED <<log, written, durable, rest, sealed, noted, machine, proof>>

\* A new segment begins, in a file that is all zeroes or has old records in it. A record may be too large for
\* the rest of a segment, so a new one may begin at any record.
Rotate ==
    /\ phase = "up" /\ written = Len(log) /\ Len(log) + 2 < Longest
    /\ Slot(log) > 1 /\ ~(MustOpen /\ Slot(log) < Slots /\ ~sealed)
    /\ LET h == NewSegment(log, NewNumber, Max({noted, Cursor(log)}))
           free == {f \in Named(cache, Nameless) : disk[f].name = Nameless}
           blank == {f \in free : cache[f].pages = Blank}
           used == free \ blank
           name(f, g) == IF g = f THEN Segment(h)
                         ELSE IF cache[g].name = Segment(h) THEN Nameless ELSE cache[g].name
           renamed(files, f) == [g \in Files |-> [files[g] EXCEPT !.name = name(f, g)]]
       IN /\ log' = h
          /\ written' = Len(h)
          /\ \/ /\ free # {}
                /\ LET f == Min(IF blank # {} THEN blank ELSE free)
                   IN /\ disk' = [disk EXCEPT ![f].pages = Blank, ![f].cell = NoCell]
                      /\ cache' = WithPages(renamed([cache EXCEPT ![f].pages = Blank], f), h, Len(h) - 1)
             \/ /\ Recycles
                /\ \E f \in used : cache' = WithPages(renamed(cache, f), h, Len(h) - 1)
                /\ UNCHANGED disk
    /\ sealed' = FALSE
    /\ noted' = 0
    /\ UNCHANGED <<durable, rest, phase, root, lost, proof>>

-----------------------------------------------------------------------------
(* Syncing *)

\* Under EveryWrite, a leader writes what waits in memory.
LeaderWrites ==
    /\ phase \in {"up", "closing"} /\ written < Len(log)
    /\ written' = Len(log)
    /\ cache' = WithPages(cache, log, written + 1)
    /\ UNCHANGED <<log, durable, rest, sealed, noted, phase, disk, root, lost, proof>>

\* How much a sync may report: a header counts for nothing before the snapshot behind it.
Reportable == {upTo \in durable + 1 .. written : log[upTo][1] # "begin"}

\* The pages that a sync writes. It began when the log had been written up to some place, and may leave out
\* what was written since.
Syncs(f, i, upTo) ==
    /\ cache[f].name # Nameless /\ cache[f].name >= root.disk
    /\ Len(cache[f].pages[i].h) <= upTo
    /\ <<f, i>> \notin lost
    /\ Mutant = "an older segment is not synced" => cache[f].name = Segment(UpTo(log, upTo))
    /\ Mutant = "the header is not synced" => i # 0

\* A sync ends: sealed segments, the active one and the directory are synced, and calls that waited return.
\* That is one step, since a power cut just before it leaves whatever a part of it could have done.
Sync ==
    /\ phase \in {"up", "closing"}
    /\ \E upTo \in Reportable :
        /\ disk' = [f \in Files |->
                [name |-> IF Mutant = "the name is not synced" \/ cache[f].name = Nameless
                          THEN disk[f].name
                          ELSE cache[f].name,
                 cell |-> disk[f].cell,
                 pages |-> [i \in 0 .. Slots |->
                                IF Syncs(f, i, upTo) THEN cache[f].pages[i] ELSE disk[f].pages[i]]]]
        /\ durable' = IF Mutant = "later writes count as synced" THEN written ELSE upTo
    /\ UNCHANGED <<log, written, rest, sealed, noted, phase, cache, root, lost, proof>>

\* The cleaner syncs the segments from one on, and the directory. Nothing is reported.
SyncRest ==
    /\ Skips /\ phase = "up"
    /\ \E upTo \in Reportable, from \in Names(cache) :
        /\ from > root.disk /\ from <= Segment(UpTo(log, upTo))
        /\ rest' = [from |-> from, upTo |-> upTo]
        /\ disk' = [f \in Files |-> IF cache[f].name < from THEN disk[f] ELSE
                [name |-> cache[f].name,
                 cell |-> disk[f].cell,
                 pages |-> [i \in 0 .. Slots |->
                                IF Syncs(f, i, upTo) THEN cache[f].pages[i] ELSE disk[f].pages[i]]]]
        /\ durable' = IF Mutant = "a sync of the rest is reported" THEN upTo ELSE durable
    /\ UNCHANGED <<log, written, sealed, noted, phase, cache, root, lost, proof>>

\* A sync fails. Each page that it should have written is on the disk or not, and counts as clean. Calls that
\* wait return an error, as all later ones do.
SyncFails ==
    /\ Fails
    /\ phase \in {"up", "closing"}
    /\ \E upTo \in Reportable :
        lost' = lost \cup {<<f, i>> \in Files \X (0 .. Slots) :
                    Len(cache[f].pages[i].h) <= upTo /\ cache[f].pages[i] # disk[f].pages[i]}
    /\ phase' = IF Mutant = "a failed sync is tried again" THEN phase ELSE "poisoned"
    /\ UNCHANGED <<log, written, durable, rest, sealed, noted, cache, disk, root, proof>>

\* The cleaner syncs the directory when it has dropped a segment.
SyncDirectory ==
    /\ phase = "up"
    /\ \E f \in Files : cache[f].name = Nameless /\ disk[f].name # Nameless
    /\ disk' = [f \in Files |-> [disk[f] EXCEPT !.name = cache[f].name]]
    /\ UNCHANGED <<queue, cache, root, lost, proof>>

\* What is on the disk of the log from a segment on, in one piece.
Safe(from) == Max({durable} \cup IF rest.from <= from THEN {rest.upTo} ELSE {})

\* The log begins with a later segment, as nothing in the older ones is needed. (Without `Skips` that is on the
\* disk at once, so that there are fewer states.)
MoveRoot ==
    /\ phase = "up" /\ root.cache = root.disk
    /\ \E number \in Names(cache) :
        LET safe == IF Mutant = "dropped before the pops are durable" THEN written ELSE Safe(number)
            known == UpTo(log, safe)
            snapshots == {p \in Places(log, "snapshot") : Segment(UpTo(log, p)) = number}
            items == IF Mutant = "dropped when only the cell tells of the pops"
                     THEN Inside(known, noted)
                     ELSE Items(known)
        IN /\ number > root.cache
           /\ Mutant # "dropped before the snapshot is durable" => \A p \in snapshots : p <= Safe(number)
           /\ \A p \in items : Segment(UpTo(log, p)) >= number
           /\ root' = [cache |-> number, disk |-> IF Skips THEN root.disk ELSE number]
    /\ UNCHANGED <<queue, cache, disk, lost, proof>>

SyncRoot ==
    /\ phase # "over" /\ root.disk # root.cache
    /\ root' = [root EXCEPT !.disk = root.cache]
    /\ UNCHANGED <<queue, cache, disk, lost, proof>>

\* A segment goes. Its file becomes a spare one.
Drop ==
    /\ phase = "up"
    /\ \E f \in Files :
        /\ cache[f].name # Nameless
        /\ cache[f].name < IF Mutant = "dropped before the root is on the disk" THEN root.cache ELSE root.disk
        /\ cache' = [cache EXCEPT ![f].name = Nameless]
    /\ UNCHANGED <<queue, disk, root, lost, proof>>

-----------------------------------------------------------------------------
(* Recovery *)

\* Whether a record, or a snapshot, stands behind the record or header with this history.
Links(page, behind) ==
    /\ page # Zero
    /\ IF Mutant = "only a salt"
       THEN Salt(page.h) = Salt(behind) /\ Len(page.h) = Len(behind) + 1
       ELSE Front(page.h) = behind

\* Whether a segment's header links to the end of the segment before.
Fits(page, number, behind) ==
    /\ page # Zero /\ Segment(page.h) = number
    /\ CASE Mutant = "the predecessor's end is not compared" -> TRUE
         [] Mutant = "only a salt" -> Len(page.h) = Len(behind) + 1
         [] OTHER -> Front(page.h) = behind

\* What has been read: the entries, and the history of the last page, to which the next one has to link. These
\* are the same if there is no mistake.
More(x, page) == [entries |-> Append(x.entries, Last(page.h)), behind |-> page.h]

RECURSIVE Follow(_, _, _)
Follow(pages, x, i) ==
    IF i > Slots \/ ~Links(pages[i], x.behind) THEN x ELSE Follow(pages, More(x, pages[i]), i + 1)

RECURSIVE FollowSegments(_, _, _)
FollowSegments(files, x, number) ==
    LET next == Named(files, number + 1)
        pages == files[CHOOSE f \in next : TRUE].pages
    IN IF next # {} /\ Fits(pages[0], number + 1, x.behind) /\ Links(pages[1], pages[0].h)
       THEN FollowSegments(files, Follow(pages, More(x, pages[0]), 1), number + 1)
       ELSE [entries |-> x.entries, behind |-> x.behind, number |-> number]

\* What recovery reads: the entries, the history of the last page, and the number of the last segment.
\* The segment with which recovery begins, if the root has this number.
Begins(files, number) ==
    Min({name \in Names(files) : name >= number \/ Mutant = "the root is not read"} \cup {Longest})

Read(files, number) ==
    LET oldest == Begins(files, number)
        pages == files[CHOOSE f \in Named(files, oldest) : TRUE].pages
        header == pages[0]
    IN IF Named(files, oldest) # {} /\ header # Zero /\ Segment(header.h) = oldest /\ Links(pages[1], header.h)
       THEN FollowSegments(files, Follow(pages, [entries |-> header.h, behind |-> header.h], 1), oldest)
       ELSE [entries |-> <<>>, behind |-> <<>>, number |-> 0]

\* The pages of a file beyond the end: in the last segment, or in one that was not entered.
Beyond(files, r, f) ==
    IF files[f].name = r.number THEN Slot(r.behind) + 1 .. Slots
    ELSE IF files[f].name > r.number THEN 1 .. Slots ELSE {}

\* Up to where the items are popped, as the cell of the last segment says.
Noted(files, r) ==
    LET cells == {files[f].cell : f \in Named(files, r.number)}
        fits(cell) == cell # NoCell /\ (cell.base = Told(r.entries) \/ Mutant = "any cell is believed")
        told(cell) == IF fits(cell) THEN cell.upTo ELSE 0
    IN Max({0} \cup {Min({told(cell), Len(r.entries)}) : cell \in cells})

\* What must not be, if the machine has lost power and the disk has no fault. After a kill, all pops are known.
\* Those that only the cell tells of may be undone by a power cut. No item is missing that nobody popped.
Verdict(files, r, number, killed) ==
    LET oldest == Begins(files, number)
        from == CHOOSE p \in 1 .. Len(r.entries) : r.entries[p][3] = oldest /\ r.entries[p][4] = 0
        found == InsideFrom(r.entries, from, Noted(files, r))
        known == UpTo(log, written)
        unpopped == {p \in Inside(log, noted) : p <= Len(r.entries)}
        told == UpTo(log, durable)
        popped == {p \in 1 .. durable : p <= Cursor(told)} \ Leased(log)
    IN CASE ~IsPrefix(r.entries, log) -> "foreign"
         [] Len(r.entries) < durable -> "lost"
         [] \E f \in Files : \E i \in Beyond(files, r, f) : files[f].pages[i].mark > Len(r.entries)
                -> "corrupted"
         [] InsideFrom(r.entries, from, 0) # Items(r.entries) -> "items"
         [] ~(unpopped \subseteq found) \/ found \cap popped # {} -> "items"
         [] killed /\ found # Inside(known, IF written = Len(log) THEN noted ELSE 0) -> "items"
         [] OTHER -> "none"

\* The process starts again, and reads these files. After the last crash only a fault is of interest, so TLC
\* does not go on where there is none.
Restart(files, onDisk, number, rootOnDisk, stillLost, killed) ==
    LET r == Read(files, number)
        verdict == Verdict(files, r, number, killed)
        upTo == Noted(files, r)
        right == IF upTo = 0 THEN NoCell ELSE Cell(Told(r.entries), upTo)
        cell(f) == IF files[f].name = r.number /\ Mutant # "a wrong cell stays" THEN right ELSE files[f].cell
        behind == UNION {{files[f].pages[i] : i \in Beyond(files, r, f)} : f \in Named(files, r.number)}
        stays(f) == files[f].name >= number /\ (files[f].name <= r.number \/ Mutant = "later segments stay")
        named(f) == IF stays(f) THEN files[f] ELSE [files[f] EXCEPT !.name = Nameless]
        kept(f) == [named(f) EXCEPT !.cell = cell(f)]
    IN /\ fault' = verdict
       /\ root' = [cache |-> number, disk |-> rootOnDisk]
       /\ IF verdict # "none"
          THEN /\ log' = r.entries /\ written' = Len(r.entries) /\ durable' = durable /\ sealed' = FALSE
               /\ noted' = 0 /\ rest' = NoRest
               /\ phase' = "over" /\ cache' = files /\ disk' = onDisk /\ lost' = stillLost
          ELSE /\ crashes' < Crashes
               /\ log' = r.entries
               /\ written' = Len(r.entries)
               /\ durable' = durable
               /\ noted' = upTo
               /\ rest' = NoRest
               /\ sealed' = /\ ~(behind \subseteq {Zero})
                            /\ What(r.entries) # "close"
                            /\ Mutant # "written on in place"
               /\ phase' = "recovering"
               /\ cache' = [f \in Files |-> kept(f)]
               /\ disk' = onDisk
               /\ lost' = stillLost

\* Recovery writes what was read again, as far as no mark covers it. It syncs all files, and then the
\* directory.
Recovered ==
    /\ phase = "recovering"
    /\ LET marked == Max({cache[f].pages[i].mark : f \in Files, i \in 1 .. Slots})
           again(page) == Len(page.h) > marked /\ Mutant # "what was read is not written again"
           synced(f, i) ==
               /\ Mutant # "what was read counts as synced"
               /\ <<f, i>> \in lost => again(cache[f].pages[i])
       IN disk' = [f \in Files |->
               [name |-> IF Mutant = "the removal is not synced" THEN disk[f].name ELSE cache[f].name,
                cell |-> IF Mutant = "a cell is put right in memory only" THEN disk[f].cell ELSE cache[f].cell,
                pages |-> [i \in 0 .. Slots |->
                               IF synced(f, i) THEN cache[f].pages[i] ELSE disk[f].pages[i]]]]
    /\ lost' = IF Mutant = "what was read is not written again" THEN lost ELSE {}
    /\ durable' = Len(log)
    /\ phase' = "preparing"
    /\ UNCHANGED <<log, written, rest, sealed, noted, cache, root, proof>>

\* Recovery makes the headers of spare files blank, on the disk too, and ends.
Prepared ==
    /\ phase = "preparing"
    /\ LET spare(f) == cache[f].name = Nameless /\ disk[f].name = Nameless
           blank(f) == [name |-> Nameless,
                        cell |-> cache[f].cell,
                        pages |-> IF Recycles THEN [cache[f].pages EXCEPT ![0] = Zero] ELSE Blank]
           prepared(files) == [f \in Files |-> IF spare(f) THEN blank(f) ELSE files[f]]
       IN IF Mutant = "headers of spare files stay"
          THEN UNCHANGED <<cache, disk>>
          ELSE cache' = prepared(cache) /\ disk' = prepared(disk)
    /\ phase' = "up"
    /\ UNCHANGED <<log, written, durable, rest, sealed, noted, root, lost, proof>>

\* The process is killed. What it has written to files stays, on the disk or not.
Kill ==
    /\ Kills /\ crashes < Crashes /\ phase # "over"
    /\ crashes' = crashes + 1
    /\ LET synced == IF Mutant = "the root that was read is not synced" THEN root.disk ELSE root.cache
       IN Restart(cache, disk, root.cache, synced, lost, TRUE)

\* The machine loses power: any of the names and pages that are not synced survive.
PowerCut ==
    /\ crashes < Crashes /\ phase # "over"
    /\ crashes' = crashes + 1
    /\ \E names \in SUBSET {f \in Files : cache[f].name # disk[f].name} :
        LET name(f) == IF f \in names THEN cache[f].name ELSE disk[f].name
            counts(f) == name(f) # Nameless \/ (Recycles /\ crashes' < Crashes)
            unsynced == {<<f, i>> \in Files \X (0 .. Slots) :
                            counts(f) /\ cache[f].pages[i] # disk[f].pages[i]}
        IN /\ \A f, g \in Files : f # g /\ name(f) # Nameless => name(f) # name(g)
           /\ \E new \in SUBSET unsynced, cells \in SUBSET {f \in Files : cache[f].cell # disk[f].cell} :
                LET page(f, i) == IF <<f, i>> \in new THEN cache[f].pages[i] ELSE disk[f].pages[i]
                    files == TLCEval([f \in Files |->
                        [name |-> name(f),
                         cell |-> IF f \in cells THEN cache[f].cell ELSE disk[f].cell,
                         pages |-> [i \in 0 .. Slots |-> page(f, i)]]])
                IN \E number \in {root.cache, root.disk} : Restart(files, files, number, number, {}, FALSE)

-----------------------------------------------------------------------------
\* Nothing need happen: the history and the number of crashes are bounded.
Rest == UNCHANGED vars

Next ==
    \/ Push \/ Pop \/ Lease \/ PopIsNoted \/ PopsAreWritten \/ CellIsWritten \/ Open \/ Close \/ Closed \/ Rotate
    \/ LeaderWrites \/ Sync \/ SyncRest \/ SyncFails \/ SyncDirectory \/ MoveRoot \/ SyncRoot \/ Drop
    \/ Recovered \/ Prepared \/ Kill \/ PowerCut \/ Rest

Spec == Init /\ [][Next]_vars

-----------------------------------------------------------------------------
TypeOK ==
    /\ written \in 0 .. Len(log)
    /\ phase \in {"up", "closing", "poisoned", "recovering", "preparing", "over"}
    /\ \A f \in Files : cache[f].name \in Nat /\ disk[f].name \in Nat
    /\ lost \subseteq Files \X (0 .. Slots)
    /\ crashes \in 0 .. Crashes

\* What was reported to be durable survives any number of crashes, pops as well as items.
NothingLost == fault # "lost"

\* Recovery finds the beginning of the history, and nothing else: nothing of an older life of a file, nothing
\* that an earlier recovery had given up.
NothingForeign == fault # "foreign"

\* The items that recovery finds are those that the history says are inside. So no item returns whose pop has
\* survived, none is missing that nobody has popped, and no segment has gone that is needed.
ItemsAreExact == fault # "items"

\* A power cut alone, or a kill, is never taken for damage.
NeverCorrupted == fault # "corrupted"

\* The number of a durable record is never given again. (A record's number is its place in the history.)
NumbersOnce == durable <= Len(log)
=============================================================================
