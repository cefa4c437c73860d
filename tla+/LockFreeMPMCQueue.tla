------------------------- MODULE LockFreeMPMCQueue -------------------------
(***************************************************************************)
(* The consumers' side of the elastic queue of many producers and many     *)
(* consumers. Each action of a consumer is one atomic access to shared     *)
(* memory. Producers claim, write and publish as in LockFreeMPSCQueue,     *)
(* which proves each of their steps, and of a resize. Here a claim below   *)
(* the limit is one action, and a resize is two.                           *)
(* docs/verification.md says which function does which action, and what    *)
(* is assumed.                                                             *)
(*                                                                         *)
(* The words that threads share:                                           *)
(*   tail      [pos, sealed]: the position to be claimed next              *)
(*   current   the segment in which producers claim                        *)
(*   head      the position to be taken next                               *)
(*   front     the segment that the head is in, or has yet to enter        *)
(*   segment   the segments. Positions are never used twice, and end       *)
(*             takes no item. So a stamp that fits the head is right       *)
(*   hazard    each consumer's record: the segment that it works in,       *)
(*   working   and the position that it takes, or is about to take         *)
(* The number of pinned threads is not a variable, since the threads can   *)
(* be counted. Nor is the list of retired segments: status shows them.     *)
(*                                                                         *)
(* A slot is claimed again one lap later, and only after its item was      *)
(* moved out: limit = min(popped + capacity + skipped, finished + slots).  *)
(* Here finished is the least of the head, which is read first, and all    *)
(* working.                                                                *)
(*                                                                         *)
(* The words of one thread: pc and my, its registers; sent, how many       *)
(* pushes it has finished. The words of the proof: claimed, the messages   *)
(* in the order of their claims; my.want and my.empty; fault;              *)
(* segment.status.                                                         *)
(***************************************************************************)
EXTENDS Naturals, Sequences, FiniteSets

CONSTANTS
    Producers,        \* numbers of threads that push
    Consumers,        \* numbers of threads that take; the numbers are consecutive
    Messages,         \* pushes of producer 1
    OthersMessages,   \* pushes of each of the others
    FirstCapacity,    \* capacity of the first segment
    NextCapacity,     \* capacity of each later segment
    Resizes,          \* how many resizes there may be, each at any time
    Renewals,         \* how many times consumers renew the limit
    Mutant            \* "none", or the mistake to be made

VARIABLES tail, current, head, front, segment, hazard, working, pc, my, sent, renewals, claimed, fault

shared == <<tail, current, head, front, segment, hazard, working>>
vars == <<shared, pc, my, sent, renewals, claimed, fault>>

Threads == Producers \cup Consumers
Segments == 1 .. Resizes + 1

Null == 0
Nothing == 0                                    \* a slot that was never written, or was moved out of
Infinity == 1000                                \* the end of a segment that is open
Idle == Infinity                                \* the value of working between two takes
Freed == <<>>                                   \* the slots of a segment that was drained

Quota(p) == IF p = 1 THEN Messages ELSE OthersMessages
Message(p) == 10 * p + sent[p] + 1
Minimum(a, b) == IF a < b THEN a ELSE b
Maximum(a, b) == IF a > b THEN a ELSE b

RECURSIVE PowerOfTwo(_)
PowerOfTwo(n) == IF n <= 1 THEN 1 ELSE 2 * PowerOfTwo((n + 1) \div 2)
Capacity(s) == IF s = 1 THEN FirstCapacity ELSE NextCapacity
Size(s) == PowerOfTwo(Capacity(s))
Skipped(s) == s - 1                             \* one position at the end of each earlier segment
Index(s, pos) == pos % Size(s)

\* How many items there are before a position: all positions before it but the ends that lie there.
PoppedAt(pos) == pos - Cardinality({s \in Segments : segment[s].end < pos})
Popped == PoppedAt(head)

Segment(s, status, base, limit) ==
    [status |-> status, limit |-> limit, base |-> base, end |-> Infinity, next |-> Null,
     slots |-> IF status = "new" THEN Freed ELSE [i \in 0 .. Size(s) - 1 |-> [stamp |-> 0, value |-> Nothing]]]

Blank == [seg |-> Null, pos |-> 0, num |-> 0, room |-> 0, rec |-> 0, flag |-> FALSE, pinned |-> FALSE,
          want |-> Nothing, empty |-> FALSE]

Init ==
    /\ tail = [pos |-> 0, sealed |-> FALSE]
    /\ current = 1
    /\ head = 0
    /\ front = 1
    /\ segment = [s \in Segments |-> IF s = 1 THEN Segment(s, "linked", 0, FirstCapacity) ELSE Segment(s, "new", 0, 0)]
    /\ hazard = [c \in Consumers |-> Null]
    /\ working = [c \in Consumers |-> Idle]
    /\ pc = [x \in Threads |-> IF x \in Producers THEN "P1" ELSE "K1"]
    /\ my = [x \in Threads |-> Blank]
    /\ sent = [p \in Producers |-> 0]
    /\ renewals = 0
    /\ claimed = <<>>
    /\ fault = "none"

-----------------------------------------------------------------------------
(* Parts of actions *)

At(x, label) == pc[x] = label
Go(x, label) == pc' = [pc EXCEPT ![x] = label]

\* What must hold at this action, as <<condition, name>>. If a condition does not hold, its name is recorded.
Check(claims) ==
    IF \A i \in 1 .. Len(claims) : claims[i][1]
    THEN UNCHANGED fault
    ELSE fault' = LET first == CHOOSE i \in 1 .. Len(claims) : ~claims[i][1] /\ \A j \in 1 .. i - 1 : claims[j][1]
                  IN claims[first][2]

\* No thread may look at a header that was given back for use, since it would be another segment's. (In this
\* model no header is used again.)
Guarded(s) == <<s # Null /\ segment[s].status # "spare", "stale header">>
HasSlots(s) == <<segment[s].slots # Freed, "retired slots">>

IsPublished(s, pos) == segment[s].slots # Freed /\ segment[s].slots[Index(s, pos)].stamp = pos + 1

\* Whether the item at the head could be taken now. At the end of a segment, the position after it counts.
NextIsPublished ==
    LET pos == IF \E s \in Segments : segment[s].end = head THEN head + 1 ELSE head
    IN \E s \in Segments : IsPublished(s, pos)

FirstRecord == CHOOSE c \in Consumers : \A o \in Consumers : c <= o
LastRecord == CHOOSE c \in Consumers : \A o \in Consumers : c >= o

-----------------------------------------------------------------------------
(* A resize, in two steps, since a consumer may come to the end between them. Any thread that needs the
   second step takes it *)

Seal ==
    /\ ~tail.sealed /\ current < Resizes + 1
    /\ tail' = [tail EXCEPT !.sealed = TRUE]
    /\ LET n == current + 1
           base == tail.pos + 1
       IN segment' = [segment EXCEPT
            ![current].end = tail.pos, ![current].next = n,
            ![n] = Segment(n, "linked", base, Minimum(Popped + Capacity(n) + Skipped(n), base + Size(n)))]
    /\ UNCHANGED <<current, head, front, hazard, working, pc, my, sent, claimed, fault>>

Reopen ==
    /\ current' = segment[current].next
    /\ tail' = [pos |-> tail.pos + 1, sealed |-> FALSE]

-----------------------------------------------------------------------------
(* The limit, computed by a producer that finds no room below it and by a consumer that renews it, both
   pinned *)

\* Where each goes on: a producer claims, or first raises the limit for others (which of the two is left
\* open); a consumer raises the limit.
GoOn(x) == IF x \in Producers THEN Go(x, "A1") \/ Go(x, "A0") ELSE Go(x, "N1")

L1(x) == \* load head, for popped. Front, base and end are read with it, again and again until they fit each
         \* other
    /\ At(x, "L1")
    /\ Check(<<Guarded(my[x].seg)>>)
    /\ my' = [my EXCEPT ![x].room = Popped + Capacity(my[x].seg) + Skipped(my[x].seg), ![x].rec = FirstRecord,
                        ![x].num = Idle]
    /\ IF Mutant = "limit from the head" THEN GoOn(x) ELSE Go(x, "L2")
    /\ UNCHANGED <<shared, sent, claimed>>

L2(x) == \* load head, for finished
    /\ At(x, "L2")
    /\ my' = [my EXCEPT ![x].num = Minimum(@, head)]
    /\ Go(x, "L3")
    /\ UNCHANGED <<shared, sent, claimed, fault>>

L3(x) == \* load one record's working
    /\ At(x, "L3")
    /\ my' = [my EXCEPT ![x].num = Minimum(@, working[my[x].rec]), ![x].rec = IF @ = LastRecord THEN 0 ELSE @ + 1,
                        ![x].pinned = Mutant # "limit raised without a pin"]
    /\ IF my[x].rec # LastRecord THEN Go(x, "L3") ELSE GoOn(x)
    /\ UNCHANGED <<shared, sent, claimed, fault>>

\* A consumer that reads in an earlier segment is in nobody's way.
Limit(x) == Minimum(my[x].room, Maximum(my[x].num, segment[my[x].seg].base) + Size(my[x].seg))

-----------------------------------------------------------------------------
(* Pushing *)

Claim(p, s) ==
    /\ tail' = [tail EXCEPT !.pos = @ + 1]
    /\ claimed' = Append(claimed, Message(p))
    /\ my' = [my EXCEPT ![p] = [Blank EXCEPT !.seg = s, !.pos = tail.pos, !.pinned = my[p].pinned]]
    /\ Check(<<Guarded(s), <<s = current, "claim in another segment">>,
               <<Len(claimed) - Popped < Capacity(s), "over capacity">> >>)
    /\ Go(p, "P2")

P1(p) == \* claim; or complete a resize; or pin, and compute the limit
    /\ At(p, "P1") /\ sent[p] < Quota(p)
    /\ CASE tail.sealed -> Reopen /\ UNCHANGED <<pc, my, claimed, fault>>
         [] ~tail.sealed /\ tail.pos < segment[current].limit -> Claim(p, current) /\ UNCHANGED current
         [] OTHER ->
                /\ my' = [my EXCEPT ![p].seg = current, ![p].pos = tail.pos, ![p].pinned = TRUE]
                /\ Go(p, "L1")
                /\ UNCHANGED <<tail, current, claimed, fault>>
    /\ UNCHANGED <<head, front, segment, hazard, working, sent>>

Raised(x) == [segment EXCEPT ![my[x].seg].limit = Maximum(@, Limit(x))]

A0(p) == \* raise the limit
    /\ At(p, "A0")
    /\ Check(<<Guarded(my[p].seg)>>)
    /\ segment' = Raised(p)
    /\ Go(p, "A1")
    /\ UNCHANGED <<tail, current, head, front, hazard, working, my, sent, claimed>>

A1(p) == \* CAS tail: the claim. Or find that there is no room
    /\ At(p, "A1")
    /\ IF my[p].pos < Limit(p) /\ tail = [pos |-> my[p].pos, sealed |-> FALSE]
       THEN Claim(p, my[p].seg)
       ELSE Go(p, "P1") /\ my' = [my EXCEPT ![p] = Blank] /\ Check(<<Guarded(my[p].seg)>>) /\ UNCHANGED <<tail, claimed>>
    /\ UNCHANGED <<current, head, front, segment, hazard, working, sent>>

P2(p) == \* write the value
    /\ At(p, "P2")
    /\ LET s == my[p].seg
           i == Index(s, my[p].pos)
       IN IF segment[s].slots = Freed
          THEN Check(<<HasSlots(s)>>) /\ UNCHANGED <<segment, pc>>
          ELSE /\ Check(<<Guarded(s), <<segment[s].slots[i].value = Nothing, "overwritten">> >>)
               /\ segment' = [segment EXCEPT ![s].slots[i].value = Message(p)]
               /\ Go(p, "P3")
    /\ UNCHANGED <<tail, current, head, front, hazard, working, my, sent, claimed>>

P3(p) == \* store the stamp: published. Then unpin
    /\ At(p, "P3")
    /\ LET s == my[p].seg
           i == Index(s, my[p].pos)
       IN IF segment[s].slots = Freed
          THEN Check(<<HasSlots(s)>>) /\ UNCHANGED <<segment, pc, my, sent>>
          ELSE /\ Check(<<Guarded(s)>>)
               /\ segment' = [segment EXCEPT ![s].slots[i].stamp = my[p].pos + 1]
               /\ my' = [my EXCEPT ![p] = Blank]
               /\ sent' = [sent EXCEPT ![p] = @ + 1]
               /\ Go(p, "P1")
    /\ UNCHANGED <<tail, current, head, front, hazard, working, claimed>>

-----------------------------------------------------------------------------
(* Taking *)

\* The call answers: the record forgets the position, and keeps the hazard for the next call.
Answer(c) == Go(c, "K1") /\ my' = [my EXCEPT ![c] = Blank]

\* The call answers, or renews the limit first. Which of the two is left open.
AnswerOrRenew(c) ==
    \/ Answer(c)
    \/ renewals < Renewals /\ Go(c, "N0") /\ my' = [my EXCEPT ![c] = Blank]

K1(c) == \* load head
    /\ At(c, "K1")
    /\ my' = [my EXCEPT ![c].pos = head, ![c].seg = hazard[c]]
    /\ Go(c, IF hazard[c] = Null THEN "F1" ELSE "K2")
    /\ UNCHANGED <<shared, sent, claimed, fault>>

Note(c) == IF Mutant = "note after the claim" THEN "K4" ELSE "K3"

\* Load the stamp of the slot of my.pos, to see whether it fits the head.
Look(c, otherwise) ==
    LET s == my[c].seg
    IN IF segment[s].slots = Freed
       THEN Check(<<HasSlots(s)>>) /\ UNCHANGED <<pc, my>>
       ELSE /\ Check(<<Guarded(s)>>)
            /\ Go(c, IF IsPublished(s, my[c].pos) THEN Note(c) ELSE otherwise)
            /\ my' = [my EXCEPT ![c].empty = @ \/ ~NextIsPublished]

K2(c) == \* load the stamp, in the segment that the record names
    /\ At(c, "K2")
    /\ Look(c, "F1")
    /\ UNCHANGED <<shared, sent, claimed>>

K3(c) == \* store working: the position is noted
    /\ At(c, "K3")
    /\ working' = [working EXCEPT ![c] = my[c].pos]
    /\ Go(c, IF Mutant = "note after the claim" THEN "K5" ELSE "K4")
    /\ UNCHANGED <<tail, current, head, front, segment, hazard, my, sent, claimed, fault>>

K4(c) == \* CAS head: the item is this consumer's
    /\ At(c, "K4")
    /\ IF head = my[c].pos
       THEN /\ head' = head + 1
            /\ my' = [my EXCEPT ![c].want = claimed[Popped + 1], ![c].empty = FALSE]
            /\ Go(c, CASE Mutant = "note after the claim" -> "K3" [] Mutant = "finish before read" -> "K6" [] OTHER -> "K5")
       ELSE Go(c, "K4b") /\ UNCHANGED <<head, my>>
    /\ UNCHANGED <<tail, current, front, segment, hazard, working, sent, claimed, fault>>

K4b(c) == \* store working: idle, since the claim has failed
    /\ At(c, "K4b")
    /\ working' = [working EXCEPT ![c] = Idle]
    /\ my' = [my EXCEPT ![c] = Blank]
    /\ Go(c, "F1")
    /\ UNCHANGED <<tail, current, head, front, segment, hazard, sent, claimed, fault>>

K5(c) == \* move the value out
    /\ At(c, "K5")
    /\ LET s == my[c].seg
           i == Index(s, my[c].pos)
       IN IF segment[s].slots = Freed
          THEN Check(<<HasSlots(s)>>) /\ UNCHANGED <<segment, pc, my>>
          ELSE LET value == segment[s].slots[i].value
               IN /\ Check(<<Guarded(s), <<value # Nothing, "unpublished">>, <<value = my[c].want, "wrong item">> >>)
                  /\ segment' = [segment EXCEPT ![s].slots[i].value = Nothing]
                  /\ IF Mutant = "finish before read" THEN Answer(c) ELSE Go(c, "K6") /\ UNCHANGED my
    /\ UNCHANGED <<tail, current, head, front, hazard, working, sent, claimed>>

K6(c) == \* store working: idle, the item is out
    /\ At(c, "K6")
    /\ working' = [working EXCEPT ![c] = Idle]
    /\ IF Mutant = "finish before read" THEN Go(c, "K5") /\ UNCHANGED my ELSE AnswerOrRenew(c)
    /\ UNCHANGED <<tail, current, head, front, segment, hazard, sent, claimed, fault>>

-----------------------------------------------------------------------------
(* Finding the head: the slow path *)

F1(c) == \* load front. If the record names it, it has named it all the time
    /\ At(c, "F1")
    /\ my' = [my EXCEPT ![c] = [Blank EXCEPT !.seg = front, !.flag = hazard[c] # Null]]
    /\ Go(c, IF front = hazard[c] THEN "F4" ELSE "F2")
    /\ UNCHANGED <<shared, sent, claimed, fault>>

F2(c) == \* store the hazard
    /\ At(c, "F2")
    /\ hazard' = [hazard EXCEPT ![c] = my[c].seg]
    /\ Go(c, IF Mutant # "hazard without a second look" THEN "F3" ELSE IF my[c].flag THEN "R1" ELSE "F4")
    /\ UNCHANGED <<tail, current, head, front, segment, working, my, sent, claimed, fault>>

F3(c) == \* load front again: if it has moved, the hazard may have come too late. If it has not, and the
         \* record let go of another segment, reclaim
    /\ At(c, "F3")
    /\ IF front = my[c].seg
       THEN Go(c, IF my[c].flag THEN "R1" ELSE "F4") /\ UNCHANGED my
       ELSE Go(c, "F2") /\ my' = [my EXCEPT ![c].seg = front]
    /\ UNCHANGED <<shared, sent, claimed, fault>>

F4(c) == \* load head
    /\ At(c, "F4")
    /\ my' = [my EXCEPT ![c].pos = head]
    /\ Go(c, "F5")
    /\ UNCHANGED <<shared, sent, claimed, fault>>

F5(c) == \* load end. Base doesn't change, so it is read in the same step
    /\ At(c, "F5")
    /\ Check(<<Guarded(my[c].seg)>>)
    /\ LET s == segment[my[c].seg]
       IN Go(c, CASE my[c].pos < s.base -> IF Mutant = "wait for who moves on" THEN "F1" ELSE "F6"
                  [] my[c].pos >= s.base /\ my[c].pos = s.end -> "G1"
                  [] my[c].pos >= s.base /\ my[c].pos < s.end -> "F7"
                  [] OTHER -> "F1")
    /\ my' = [my EXCEPT ![c].empty = ~NextIsPublished]
    /\ UNCHANGED <<shared, sent, claimed>>

F6(c) == \* CAS head: from the end of the segment before to the base of this one
    /\ At(c, "F6")
    /\ head' = IF head = my[c].pos THEN segment[my[c].seg].base ELSE head
    /\ Go(c, "F1")
    /\ UNCHANGED <<tail, current, front, segment, hazard, working, my, sent, claimed, fault>>

F7(c) == \* load the stamp
    /\ At(c, "F7")
    /\ Look(c, "F8")
    /\ UNCHANGED <<shared, sent, claimed>>

F8(c) == \* load head again: only if it has not moved was nothing there
    /\ At(c, "F8")
    /\ IF head = my[c].pos \/ Mutant = "nothing without a second look"
       THEN AnswerOrRenew(c) /\ Check(<< <<my[c].empty, "missed an item">> >>)
       ELSE Go(c, "F1") /\ UNCHANGED <<my, fault>>
    /\ UNCHANGED <<shared, sent, claimed>>

G1(c) == \* load tail. Until the resize is complete, producers find the old segment; so complete it
    /\ At(c, "G1")
    /\ IF tail.sealed /\ tail.pos = segment[my[c].seg].end /\ Mutant # "retire the current segment"
       THEN Reopen ELSE UNCHANGED <<tail, current>>
    /\ Go(c, "G2")
    /\ UNCHANGED <<head, front, segment, hazard, working, my, sent, claimed, fault>>

G2(c) == \* CAS front. Next is fixed since the segment was sealed, so it is read in the same step
    /\ At(c, "G2")
    /\ Check(<<Guarded(my[c].seg)>>)
    /\ IF front = my[c].seg
       THEN front' = segment[my[c].seg].next /\ Go(c, "G3")
       ELSE UNCHANGED front /\ Go(c, "F1")
    /\ UNCHANGED <<tail, current, head, segment, hazard, working, my, sent, claimed>>

G3(c) == \* the thread that moved front retires the old segment: it puts it on the list
    /\ At(c, "G3")
    /\ segment' = [segment EXCEPT ![my[c].seg].status = "retired"]
    /\ Check(<< <<current # my[c].seg, "retired the current segment">> >>)
    /\ Go(c, "F1")
    /\ UNCHANGED <<tail, current, head, front, hazard, working, my, sent, claimed>>

-----------------------------------------------------------------------------
(* Renewing the limit, and reclaiming retired segments *)

N0(c) == \* pin, and load current
    /\ At(c, "N0")
    /\ my' = [my EXCEPT ![c].seg = current, ![c].pinned = TRUE]
    /\ Go(c, "L1")
    /\ UNCHANGED <<shared, sent, claimed, fault>>

N1(c) == \* raise the limit, and unpin
    /\ At(c, "N1")
    /\ Check(<<Guarded(my[c].seg)>>)
    /\ segment' = Raised(c)
    /\ my' = [my EXCEPT ![c] = Blank]
    /\ Go(c, "R1")
    /\ UNCHANGED <<tail, current, head, front, hazard, working, sent, claimed>>

\* Where the consumer goes on after that. It has reclaimed either while it protected the front, or after it
\* renewed the limit.
Reclaimed(c) ==
    /\ Go(c, IF my[c].flag THEN "F4" ELSE "K1")
    /\ my' = [my EXCEPT ![c] = IF my[c].flag THEN [Blank EXCEPT !.seg = hazard[c]] ELSE Blank]

R1(c) == \* swap the list: take what was retired, by whichever thread
    /\ At(c, "R1")
    /\ LET retired == {s \in Segments : segment[s].status = "retired"}
       IN \/ retired = {} /\ Reclaimed(c) /\ UNCHANGED segment
          \/ \E s \in retired :
             /\ segment' = [segment EXCEPT ![s].status = "held"]
             /\ my' = [my EXCEPT ![c].seg = s]
             /\ Go(c, "R2")
    /\ UNCHANGED <<tail, current, head, front, hazard, working, sent, claimed, fault>>

R2(c) == \* load the number of pinned threads
    /\ At(c, "R2")
    /\ my' = [my EXCEPT ![c].num = IF \E x \in Threads : my[x].pinned THEN 1 ELSE 0, ![c].rec = FirstRecord]
    /\ Go(c, IF Mutant = "free without looking at hazards" THEN "R4" ELSE "R3")
    /\ UNCHANGED <<shared, sent, claimed, fault>>

PutBack(c, slots) ==
    segment' = [segment EXCEPT ![my[c].seg].status = "retired", ![my[c].seg].slots = slots] /\ Reclaimed(c)

R3(c) == \* load one record's hazard. A record that is not in use at the moment may be made to forget it
    /\ At(c, "R3")
    /\ LET r == my[c].rec
           go == /\ Go(c, IF r = LastRecord THEN "R4" ELSE "R3")
                 /\ my' = [my EXCEPT ![c].rec = IF r = LastRecord THEN 0 ELSE r + 1]
                 /\ UNCHANGED segment
       IN IF hazard[r] # my[c].seg
          THEN go /\ UNCHANGED hazard
          ELSE \/ PutBack(c, segment[my[c].seg].slots) /\ UNCHANGED hazard
               \/ /\ r # c /\ pc[r] = "K1"
                  /\ hazard' = [hazard EXCEPT ![r] = Null]
                  /\ go
    /\ UNCHANGED <<tail, current, head, front, working, sent, claimed, fault>>

R4(c) == \* free the slots. Then give the header back for use or, if a thread was pinned, put it back on the
         \* list
    /\ At(c, "R4")
    /\ IF my[c].num = 0 \/ Mutant = "use a header again under a pin"
       THEN segment' = [segment EXCEPT ![my[c].seg].status = "spare", ![my[c].seg].slots = Freed] /\ Reclaimed(c)
       ELSE PutBack(c, Freed)
    /\ UNCHANGED <<tail, current, head, front, hazard, working, sent, claimed, fault>>

-----------------------------------------------------------------------------
FindLimit(x) == L1(x) \/ L2(x) \/ L3(x)
Push(p) == P1(p) \/ P2(p) \/ P3(p) \/ A0(p) \/ A1(p) \/ FindLimit(p)

Take(c) ==
    \/ /\ \/ K1(c) \/ K2(c) \/ K3(c) \/ K4(c) \/ K4b(c) \/ K5(c) \/ K6(c)
          \/ F1(c) \/ F2(c) \/ F3(c) \/ F4(c) \/ F5(c) \/ F6(c) \/ F7(c) \/ F8(c) \/ G1(c) \/ G2(c) \/ G3(c)
          \/ N1(c) \/ R1(c) \/ R2(c) \/ R3(c) \/ R4(c) \/ FindLimit(c)
       /\ UNCHANGED renewals
    \/ N0(c) /\ renewals' = renewals + 1

Next ==
    \/ (\E p \in Producers : Push(p)) /\ UNCHANGED renewals
    \/ (\E c \in Consumers : Take(c))
    \/ Seal /\ UNCHANGED renewals

\* There is no fairness: every thread may stall anywhere for ever. A property that needs fairness names its
\* threads.
Spec == Init /\ [][Next]_vars

-----------------------------------------------------------------------------
(* Safety *)

TypeOK ==
    /\ tail \in [pos : Nat, sealed : BOOLEAN]
    /\ current \in Segments /\ front \in Segments
    /\ head \in Nat /\ head <= tail.pos
    /\ \A s \in Segments : segment[s].status \in {"new", "linked", "retired", "held", "spare"}
    /\ \A c \in Consumers : hazard[c] \in Segments \cup {Null} /\ working[c] \in Nat

\* First in, first out in the order in which the CAS moves the head. Nothing comes twice, and nothing is left
\* out.
TakenInOrder == fault # "wrong item"

\* No thread reads a slot that was not written, or was moved out of.
NothingUnpublished == fault # "unpublished"

\* No producer writes to a slot whose item is still in it.
NothingOverwritten == fault # "overwritten"

\* No thread reads or writes slots that were freed.
NoRetiredSlots == fault # "retired slots"

\* No thread looks at a header that was given back for use, except at its limit, before a claim.
NoStaleHeader == fault # "stale header"

\* A claim is made in the segment that producers find.
ClaimsInCurrent == fault # "claim in another segment"

\* No segment is retired that producers would still find.
NoRetiredCurrent == fault # "retired the current segment"

\* A claim never makes more items than the capacity of its segment.
Bounded == fault # "over capacity"

\* "Nothing there" is answered only if nothing was there at some moment of the call.
NothingOnlyWhenEmpty == fault # "missed an item"

\* How the words fit together.
Consistent ==
    /\ segment[current].status = "linked"
    /\ front <= current
    /\ segment[front].base <= head + 1 /\ head <= segment[front].end
    /\ \A s \in Segments : segment[s].status \in {"retired", "held", "spare"} => segment[s].end <= head

-----------------------------------------------------------------------------
(* Liveness. Each property names the threads that must go on; all others may stall anywhere, for ever *)

GoesOn(x) == IF x \in Producers THEN WF_vars(Push(x) /\ UNCHANGED renewals) ELSE WF_vars(Take(x))

All == Messages + (Cardinality(Producers) - 1) * OthersMessages

\* Lock-freedom: while one consumer goes on, what is published is taken, by that consumer or by another,
\* whichever threads stall.
SomebodyTakes ==
    \A c \in Consumers : GoesOn(c) => \A n \in 0 .. All - 1 : (Popped = n /\ NextIsPublished) ~> Popped > n

\* When all threads go on, everything accepted is taken in the end.
AllIsTaken == (\A x \in Threads : GoesOn(x)) => <>[](Popped = All /\ \A x \in Consumers : working[x] = Idle)
=============================================================================
