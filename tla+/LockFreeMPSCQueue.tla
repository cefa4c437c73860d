------------------------- MODULE LockFreeMPSCQueue -------------------------
(***************************************************************************)
(* The elastic queue of many producers and one consumer. Each action is    *)
(* one atomic access to shared memory. docs/verification.md says which     *)
(* function of the crate does which action, what is assumed and what is    *)
(* proven.                                                                 *)
(*                                                                         *)
(* The words that threads share:                                           *)
(*   tail      [pos, sealed, closed]: the position to be claimed next;     *)
(*             whether the segment takes no more; whether the queue does   *)
(*   current   the header of the segment in which producers claim          *)
(*   popped    how many items the consumer has taken                       *)
(*   header    the headers of segments. A header is used again, so a       *)
(*             thread that holds an old one sees the fields of whatever    *)
(*             segment the header has become                               *)
(*   guard     whether some thread is the consumer                         *)
(*   bell      [sleepers, listener]: how the consumer sleeps               *)
(* The number of pinned threads is not a variable, since the threads can   *)
(* be counted. Nor are the lists of spare headers and of headers that      *)
(* came too late to be linked: the status of a header shows its list.      *)
(*                                                                         *)
(* The words of one thread: pc, the action that it takes next; my, its     *)
(* registers; sent, how many pushes it has finished. taker is the          *)
(* consumer's.                                                             *)
(*                                                                         *)
(* The words of the proof, on which no action decides anything:            *)
(*   queue     the messages inside, in the order of their claims           *)
(*   era       how many times tail has changed                             *)
(*   fault     the first thing that went wrong; each safety property       *)
(*             names one of them                                           *)
(* and header[h].status: to whom a header belongs.                         *)
(***************************************************************************)
EXTENDS Naturals, Sequences, FiniteSets

CONSTANTS
    Producers,        \* numbers of threads that push
    Consumers,        \* numbers of threads that take; the guard lets in one at a time
    Messages,         \* pushes of producer 1
    OthersMessages,   \* pushes of each of the others
    InitialCapacity,
    MinCapacity,
    MaxCapacity,
    Headers,          \* how many headers fit into memory; without a header a resize fails
    Shrinks,          \* how many times the consumer may try to shrink
    Closes,           \* whether the queue may be closed, at any time
    Mutant            \* "none", or the mistake to be made

VARIABLES tail, current, popped, header, guard, bell, pc, my, sent, taker, queue, era, fault

shared == <<tail, current, popped, header, guard, bell>>
proof == <<queue, era, fault>>
vars == <<shared, pc, my, sent, taker, proof>>

Closer == 0
Threads == Producers \cup Consumers \cup {Closer}

Null == 0                                       \* no header
Nothing == 0                                    \* a slot that was never written, or was moved out of
Infinity == 1000                                \* UNSET for base and skipped, OPEN for end
Freed == <<>>                                   \* the slots of a retired segment

Quota(p) == IF p = 1 THEN Messages ELSE OthersMessages
Message(p) == 10 * p + sent[p] + 1              \* what producer p pushes now

RECURSIVE PowerOfTwo(_)
PowerOfTwo(n) == IF n <= 1 THEN 1 ELSE 2 * PowerOfTwo((n + 1) \div 2)
Size(h) == PowerOfTwo(header[h].capacity)
Index(h, pos) == pos % Size(h)
FreshSlots(capacity) == [i \in 0 .. PowerOfTwo(capacity) - 1 |-> [stamp |-> 0, value |-> Nothing]]

Grown(capacity) == IF 2 * capacity < MaxCapacity THEN 2 * capacity ELSE MaxCapacity

NoTail == [pos |-> 0, sealed |-> FALSE, closed |-> FALSE]
Flagged(t) == t.sealed \/ t.closed

\* Registers: the tail that was read and its era, a segment and its successor, a number, and whether the
\* thread is pinned.
Blank == [tail |-> NoTail, era |-> 0, seg |-> Null, next |-> Null, num |-> 0, pinned |-> FALSE]
Cleared(x) == [Blank EXCEPT !.pinned = my[x].pinned]

Pinned == {x \in Threads : my[x].pinned}

Unused == [status |-> "new", limit |-> 0, base |-> Infinity, skipped |-> Infinity, capacity |-> 0,
           end |-> Infinity, next |-> Null, slots |-> Freed]
Prepared(capacity) == [Unused EXCEPT !.status = "private", !.capacity = capacity, !.slots = FreshSlots(capacity)]

Init ==
    /\ tail = NoTail
    /\ current = 1
    /\ popped = 0
    /\ header = [h \in 1 .. Headers |->
            IF h = 1 THEN [Prepared(InitialCapacity) EXCEPT !.status = "linked", !.limit = InitialCapacity,
                                                            !.base = 0, !.skipped = 0]
                     ELSE Unused]
    /\ guard = FALSE
    /\ bell = [sleepers |-> 0, listener |-> "none"]
    /\ pc = [x \in Threads |-> IF x \in Producers THEN "E1" ELSE IF x \in Consumers THEN "D0" ELSE "X1"]
    /\ my = [x \in Threads |-> Blank]
    /\ sent = [p \in Producers |-> 0]
    /\ taker = [head |-> 0, taken |-> 0, front |-> 1, old |-> Null, got |-> FALSE, shrinks |-> 0]
    /\ queue = <<>>
    /\ era = 0
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

\* A pin protects a header that is linked, or retired and not yet given back. Looking at another header is a
\* mistake.
Guarded(h) == <<h # Null /\ header[h].status \in {"linked", "limbo"}, "stale header">>
HasSlots(h) == <<header[h].slots # Freed, "retired slots">>

\* For a CAS of the tail from my[x].tail. It may succeed only for a thread that saw the very latest tail.
TailUnchanged(x) == tail = my[x].tail
SameEra(x) == <<era = my[x].era, "ABA">>

LoadTail(x) == my' = [my EXCEPT ![x].tail = tail, ![x].era = era]

\* The push ends: its message is accepted or refused.
Finish(x) ==
    /\ sent' = [sent EXCEPT ![x] = @ + 1]
    /\ my' = [my EXCEPT ![x] = Blank]
    /\ Go(x, "E1")

-----------------------------------------------------------------------------
(* A push: the fast path *)

E1(x) == \* load tail
    /\ At(x, "E1") /\ sent[x] < Quota(x)
    /\ IF Flagged(tail)
       THEN Go(x, "C0") /\ UNCHANGED my
       ELSE Go(x, "E2") /\ LoadTail(x)
    /\ UNCHANGED <<shared, sent, taker, proof>>

E2(x) == \* load current
    /\ At(x, "E2")
    /\ my' = [my EXCEPT ![x].seg = current]
    /\ Go(x, "E3")
    /\ UNCHANGED <<shared, sent, taker, proof>>

E3(x) == \* load the segment's limit, whatever the header has become in the meantime
    /\ At(x, "E3")
    /\ Check(<< <<header[my[x].seg].status # "deallocated", "deallocated header">> >>)
    /\ IF my[x].tail.pos < header[my[x].seg].limit
       THEN Go(x, "E4") /\ UNCHANGED my
       ELSE Go(x, "C0") /\ my' = [my EXCEPT ![x] = Cleared(x)]
    /\ UNCHANGED <<shared, sent, taker, queue, era>>

E4(x) == \* CAS tail: the claim
    /\ At(x, "E4")
    /\ IF TailUnchanged(x)
       THEN /\ tail' = [tail EXCEPT !.pos = @ + 1]
            /\ era' = era + 1
            /\ queue' = Append(queue, Message(x))
            /\ Check(<<SameEra(x), <<my[x].seg = current, "claim in another segment">>,
                       <<~Flagged(tail), "claim in a sealed segment">>,
                       <<Len(queue) < header[my[x].seg].capacity, "over capacity">> >>)
            /\ Go(x, IF Mutant = "publish before write" THEN "E6" ELSE "E5")
            /\ my' = [my EXCEPT ![x].era = 0]
       ELSE /\ \/ my[x].pinned /\ Go(x, "C1")
               \/ ~my[x].pinned /\ (Go(x, "E1") \/ Go(x, "C0"))
            /\ my' = [my EXCEPT ![x] = Cleared(x)]
            /\ UNCHANGED <<tail, proof>>
    /\ UNCHANGED <<current, popped, header, guard, bell, sent, taker>>

Leave(x) == Go(x, IF my[x].pinned THEN "U1" ELSE "E7") /\ my' = [my EXCEPT ![x] = Cleared(x)]

E5(x) == \* write the value
    /\ At(x, "E5")
    /\ LET s == my[x].seg
           i == Index(s, my[x].tail.pos)
       IN IF header[s].slots = Freed
          THEN Check(<<HasSlots(s)>>) /\ UNCHANGED <<header, my, pc>>
          ELSE /\ header' = [header EXCEPT ![s].slots[i].value = Message(x)]
               /\ Check(<<Guarded(s), <<header[s].slots[i].value = Nothing, "overwritten">> >>)
               /\ IF Mutant = "publish before write" THEN Leave(x) ELSE Go(x, "E6") /\ UNCHANGED my
    /\ UNCHANGED <<tail, current, popped, guard, bell, sent, taker, queue, era>>

E6(x) == \* store the stamp: published
    /\ At(x, "E6")
    /\ LET s == my[x].seg
           i == Index(s, my[x].tail.pos)
       IN IF header[s].slots = Freed
          THEN Check(<<HasSlots(s)>>) /\ UNCHANGED <<header, my, pc>>
          ELSE /\ header' = [header EXCEPT ![s].slots[i].stamp = my[x].tail.pos + 1]
               /\ Check(<<Guarded(s)>>)
               /\ IF Mutant = "publish before write" THEN Go(x, "E5") /\ UNCHANGED my ELSE Leave(x)
    /\ UNCHANGED <<tail, current, popped, guard, bell, sent, taker, queue, era>>

U1(x) == \* unpin after a claim on the slow path
    /\ At(x, "U1")
    /\ my' = [my EXCEPT ![x] = Blank]
    /\ Go(x, "E7")
    /\ UNCHANGED <<shared, sent, taker, proof>>

E7(x) == \* load sleepers
    /\ At(x, "E7")
    /\ IF bell.sleepers > 0
       THEN Go(x, "W1") /\ UNCHANGED <<my, sent>>
       ELSE Finish(x)
    /\ UNCHANGED <<shared, taker, proof>>

Ring == bell' = [bell EXCEPT !.listener = IF @ = "waiting" THEN "notified" ELSE @]

W1(x) == \* wake the listener
    /\ At(x, "W1")
    /\ Ring
    /\ Finish(x)
    /\ UNCHANGED <<tail, current, popped, header, guard, taker, proof>>

-----------------------------------------------------------------------------
(* A push: the slow path, where the queue is full or sealed *)

C0(x) == \* pin
    /\ At(x, "C0")
    /\ my' = [my EXCEPT ![x].pinned = TRUE]
    /\ Go(x, "C1")
    /\ UNCHANGED <<shared, sent, taker, proof>>

C1(x) == \* load tail
    /\ At(x, "C1")
    /\ CASE tail.closed -> Go(x, "U0") /\ UNCHANGED my
         [] tail.sealed /\ ~tail.closed ->
                IF Mutant = "only who sealed helps" THEN UNCHANGED <<pc, my>> ELSE Go(x, "H1") /\ LoadTail(x)
         [] OTHER -> Go(x, "C2") /\ LoadTail(x)
    /\ UNCHANGED <<shared, sent, taker, proof>>

C2(x) == \* load current. Its base, capacity and skipped no longer change, so they are read in the same step
    /\ At(x, "C2")
    /\ Check(<<Guarded(current)>>)
    /\ IF header[current].base > my[x].tail.pos
       THEN Go(x, "C1") /\ my' = [my EXCEPT ![x] = Cleared(x)]
       ELSE Go(x, "C3") /\ my' = [my EXCEPT ![x].seg = current]
    /\ UNCHANGED <<shared, sent, taker, queue, era>>

C3(x) == \* load popped, and decide
    /\ At(x, "C3")
    /\ LET s == header[my[x].seg]
           full == my[x].tail.pos >= popped + s.capacity + s.skipped
           inside == Len(queue) + (taker.taken - popped) \* claimed, and not yet counted as taken
       IN CASE ~full ->
                /\ \/ Go(x, "E4") /\ UNCHANGED my
                   \/ /\ Go(x, "C4")
                      /\ my' = [my EXCEPT ![x].num = popped + s.capacity + s.skipped,
                                          ![x].pinned = Mutant # "limit raised without a pin"]
                /\ UNCHANGED fault
            [] full /\ s.capacity >= MaxCapacity ->         \* refused
                /\ Go(x, "U0")
                /\ my' = [my EXCEPT ![x] = Cleared(x)]
                /\ Check(<< <<inside >= MaxCapacity, "refused with room">> >>)
            [] OTHER -> Go(x, "C5") /\ UNCHANGED <<my, fault>>
    /\ UNCHANGED <<shared, sent, taker, queue, era>>

C4(x) == \* raise the limit, for others. Whether it is worth the while is left open
    /\ At(x, "C4")
    /\ Check(<<Guarded(my[x].seg)>>)
    /\ LET target == IF Mutant = "limit raised in the current segment" THEN current ELSE my[x].seg
       IN header' = [header EXCEPT ![target].limit = IF @ < my[x].num THEN my[x].num ELSE @]
    /\ my' = [my EXCEPT ![x].num = 0]
    /\ Go(x, "E4")
    /\ UNCHANGED <<tail, current, popped, guard, bell, sent, taker, queue, era>>

U0(x) == \* unpin, and report that the push was refused
    /\ At(x, "U0")
    /\ Finish(x)
    /\ UNCHANGED <<shared, taker, proof>>

-----------------------------------------------------------------------------
(* A resize: prepare the next segment and seal the tail. A producer does it to grow, a consumer to shrink *)

Renewed == IF taker.got THEN "DE" ELSE "N1"       \* where the consumer goes on once it has renewed the limit

GiveUp(x) == Go(x, IF x \in Producers THEN "U0" ELSE Renewed) /\ my' = [my EXCEPT ![x] = Cleared(x)]

Spares == {h \in DOMAIN header : header[h].status = "spare"}
NeverUsed == {h \in DOMAIN header : header[h].status = "new"}

C5(x) == \* load next: has another thread prepared a segment?
    /\ At(x, "C5")
    /\ Check(<<Guarded(my[x].seg)>>)
    /\ Go(x, IF header[my[x].seg].next # Null THEN "C6" ELSE "C5a")
    /\ UNCHANGED <<shared, my, sent, taker, queue, era>>

C5a(x) == \* take a header, a used one if there is any, and prepare it. Until it is linked, only its limit can
          \* be seen
    /\ At(x, "C5a")
    /\ LET wanted == IF x \in Producers THEN Grown(header[my[x].seg].capacity) ELSE MinCapacity
           free == IF Spares # {} THEN Spares ELSE NeverUsed
       IN IF Mutant = "deallocate a header" /\ Spares # {} \* since no memory is left for slots
          THEN GiveUp(x) /\ header' = [header EXCEPT ![CHOOSE h \in Spares : TRUE].status = "deallocated"]
          ELSE IF free = {}
          THEN GiveUp(x) /\ UNCHANGED header
          ELSE LET h == CHOOSE h \in free : \A other \in free : h <= other
               IN /\ header' = [header EXCEPT ![h] = Prepared(wanted)]
                  /\ my' = [my EXCEPT ![x].next = h]
                  /\ Go(x, "C5b")
    /\ UNCHANGED <<tail, current, popped, guard, bell, sent, taker, proof>>

C5b(x) == \* CAS next: link the header, or put it on the list of those that came too late.
          \* Next stays once it is set. So a thread whose CAS fails may as well do both in the step that fills
          \* that list
    /\ At(x, "C5b")
    /\ LET s == my[x].seg
           h == my[x].next
       IN /\ Check(<<Guarded(s)>>)
          /\ header' = IF header[s].next = Null
                       THEN [header EXCEPT ![s].next = h, ![h].status = "linked"]
                       ELSE [header EXCEPT ![h].status = "late", ![h].slots = Freed]
    /\ my' = [my EXCEPT ![x].next = Null]
    /\ Go(x, "C6")
    /\ UNCHANGED <<tail, current, popped, guard, bell, sent, taker, queue, era>>

C6(x) == \* CAS tail: seal it. A consumer then helps at once; a producer loads the tail again
    /\ At(x, "C6")
    /\ IF Mutant = "resize without sealing"
       THEN Go(x, "H1") /\ UNCHANGED <<tail, era, fault, my>>
       ELSE IF TailUnchanged(x)
       THEN /\ tail' = [tail EXCEPT !.sealed = TRUE]
            /\ era' = era + 1
            /\ Check(<<SameEra(x)>>)
            /\ IF x \in Producers /\ Mutant # "only who sealed helps"
               THEN Go(x, "C1") /\ my' = [my EXCEPT ![x] = Cleared(x)]
               ELSE Go(x, "H1") /\ my' = [my EXCEPT ![x] = [Cleared(x) EXCEPT !.tail = tail', !.era = era']]
       ELSE /\ Go(x, IF x \in Producers THEN "C1" ELSE Renewed)
            /\ my' = [my EXCEPT ![x] = Cleared(x)]
            /\ UNCHANGED <<tail, era, fault>>
    /\ UNCHANGED <<current, popped, header, guard, bell, sent, taker, queue>>

-----------------------------------------------------------------------------
(* Help: complete the resize for which the tail my[x].tail was sealed. Any number of threads may help, or
   stall while they do *)

H1(x) == \* load current and its base, which no longer changes
    /\ At(x, "H1")
    /\ Check(<<Guarded(current)>>)
    /\ IF header[current].base > my[x].tail.pos
       THEN Go(x, "H6") /\ UNCHANGED my             \* another thread was faster
       ELSE Go(x, "H2") /\ my' = [my EXCEPT ![x].seg = current]
    /\ UNCHANGED <<shared, sent, taker, queue, era>>

H2(x) == \* CAS end
    /\ At(x, "H2")
    /\ Check(<<Guarded(my[x].seg)>>)
    /\ header' = [header EXCEPT ![my[x].seg].end = IF @ = Infinity THEN my[x].tail.pos ELSE @]
    /\ Go(x, "H3")
    /\ UNCHANGED <<tail, current, popped, guard, bell, my, sent, taker, queue, era>>

H3(x) == \* load next
    /\ At(x, "H3")
    /\ LET n == header[my[x].seg].next
       IN /\ Check(<<Guarded(my[x].seg), Guarded(n)>>)
          /\ my' = [my EXCEPT ![x].next = n]
    /\ Go(x, "H3b")
    /\ UNCHANGED <<shared, sent, taker, queue, era>>

\* With the mistake "reopen in place", the new segment begins where the old one ended.
Reopened(pos) == IF Mutant = "reopen in place" THEN pos ELSE pos + 1

H3b(x) == \* CAS base
    /\ At(x, "H3b")
    /\ Check(<<Guarded(my[x].next)>>)
    /\ header' = [header EXCEPT ![my[x].next].base = IF @ = Infinity THEN Reopened(my[x].tail.pos) ELSE @]
    /\ Go(x, "H3c")
    /\ UNCHANGED <<tail, current, popped, guard, bell, my, sent, taker, queue, era>>

Skipped(s) == header[s].skipped + Reopened(0)

H3c(x) == \* CAS skipped
    /\ At(x, "H3c")
    /\ Check(<<Guarded(my[x].seg), Guarded(my[x].next)>>)
    /\ header' = [header EXCEPT ![my[x].next].skipped = IF @ = Infinity THEN Skipped(my[x].seg) ELSE @]
    /\ Go(x, "H4")
    /\ UNCHANGED <<tail, current, popped, guard, bell, my, sent, taker, queue, era>>

H4(x) == \* load popped
    /\ At(x, "H4")
    /\ my' = [my EXCEPT ![x].num = popped]
    /\ Go(x, "H4b")
    /\ UNCHANGED <<shared, sent, taker, proof>>

H4b(x) == \* CAS limit
    /\ At(x, "H4b")
    /\ Check(<<Guarded(my[x].seg), Guarded(my[x].next)>>)
    /\ LET n == my[x].next
       IN header' = [header EXCEPT ![n].limit =
                        IF @ = 0 THEN my[x].num + header[n].capacity + Skipped(my[x].seg) ELSE @]
    /\ my' = [my EXCEPT ![x].num = 0]
    /\ Go(x, "H5")
    /\ UNCHANGED <<tail, current, popped, guard, bell, sent, taker, queue, era>>

H5(x) == \* CAS current
    /\ At(x, "H5")
    /\ Check(<<Guarded(my[x].seg), Guarded(my[x].next)>>)
    /\ current' = IF current = my[x].seg THEN my[x].next ELSE current
    /\ my' = [my EXCEPT ![x].seg = Null, ![x].next = Null]
    /\ Go(x, "H6")
    /\ UNCHANGED <<tail, popped, header, guard, bell, sent, taker, queue, era>>

\* Where a helper goes on: a producer tries again; the consumer finishes its move to the next segment, or its
\* shrink.
AfterHelp(x) == IF x \in Producers THEN "C1" ELSE IF taker.old # Null THEN "D5" ELSE Renewed

Reopen(x) ==
    /\ tail' = [tail EXCEPT !.pos = Reopened(@), !.sealed = FALSE]
    /\ era' = era + 1
    /\ Check(<<SameEra(x), <<header[current].base = Reopened(tail.pos), "reopened too early">> >>)
    /\ my' = [my EXCEPT ![x] = Cleared(x)]
    /\ Go(x, AfterHelp(x))

H6(x) == \* CAS tail: reopen it
    /\ At(x, "H6")
    /\ IF TailUnchanged(x)
       THEN Reopen(x)
       ELSE /\ IF my[x].tail.closed
               THEN Go(x, AfterHelp(x)) /\ my' = [my EXCEPT ![x] = Cleared(x)]
               ELSE Go(x, "H6b") /\ UNCHANGED my
            /\ UNCHANGED <<tail, era, fault>>
    /\ UNCHANGED <<current, popped, header, guard, bell, sent, taker, queue>>

H6b(x) == \* the same, if the queue was closed since
    /\ At(x, "H6b")
    /\ IF tail = [my[x].tail EXCEPT !.closed = TRUE]
       THEN /\ tail' = [tail EXCEPT !.pos = Reopened(@), !.sealed = FALSE]
            /\ era' = era + 1
            /\ Check(<< <<era = my[x].era + 1, "ABA">> >>) \* one change since: the closing
       ELSE UNCHANGED <<tail, era, fault>>
    /\ my' = [my EXCEPT ![x] = Cleared(x)]
    /\ Go(x, AfterHelp(x))
    /\ UNCHANGED <<current, popped, header, guard, bell, sent, taker, queue>>

-----------------------------------------------------------------------------
(* Taking. The words of taker are plain memory of the thread that has the guard *)

D0(x) == \* swap guard. Refusing a second consumer changes nothing, so it is no action
    /\ At(x, "D0") /\ (~guard \/ Mutant = "no guard")
    /\ guard' = TRUE
    /\ Go(x, "D1")
    /\ UNCHANGED <<tail, current, popped, header, bell, my, sent, taker, proof>>

D1(x) == \* load the stamp of the slot at the head
    /\ At(x, "D1")
    /\ LET f == taker.front
       IN IF header[f].slots = Freed
          THEN Check(<<HasSlots(f)>>) /\ UNCHANGED pc
          ELSE /\ Check(<<Guarded(f)>>)
               /\ Go(x, IF header[f].slots[Index(f, taker.head)].stamp = taker.head + 1 THEN "D1b" ELSE "D2")
    /\ UNCHANGED <<shared, my, sent, taker, queue, era>>

D1b(x) == \* move the value out
    /\ At(x, "D1b")
    /\ LET f == taker.front
           i == Index(f, taker.head)
           value == header[f].slots[i].value
       IN /\ Check(<< <<value # Nothing, "unpublished">>, <<queue # <<>> /\ value = Head(queue), "wrong item">> >>)
          /\ header' = [header EXCEPT ![f].slots[i].value = Nothing]
          /\ queue' = IF queue = <<>> THEN queue ELSE Tail(queue)
    /\ taker' = [taker EXCEPT !.head = @ + 1, !.taken = @ + 1, !.got = TRUE]
    /\ Go(x, "D1c")
    /\ UNCHANGED <<tail, current, popped, guard, bell, my, sent, era>>

D1c(x) == \* store popped. Whether the limit is renewed now is left open
    /\ At(x, "D1c")
    /\ popped' = taker.taken
    /\ Go(x, "DE") \/ Go(x, "P1")
    /\ UNCHANGED <<tail, current, header, guard, bell, my, sent, taker, proof>>

D2(x) == \* load end: has the segment ended here?
    /\ At(x, "D2")
    /\ LET end == header[taker.front].end
       IN IF (end = taker.head /\ (Mutant = "move on without pins only" => Pinned = {}))
             \/ (Mutant = "retire before the last claim is published" /\ end # Infinity)
          THEN Go(x, "D3")
          ELSE Go(x, "P1") \/ Go(x, "N1")     \* nothing is found: whether the limit is renewed is left open
    /\ UNCHANGED <<shared, my, sent, taker, proof>>

D3(x) == \* load next, which is fixed since the segment was sealed; and move on
    /\ At(x, "D3")
    /\ LET f == header[taker.front]
       IN /\ Check(<<Guarded(taker.front), Guarded(f.next)>>)
          /\ taker' = [taker EXCEPT !.old = taker.front, !.front = f.next, !.head = Reopened(f.end)]
    /\ Go(x, IF Mutant = "retire the current segment" THEN "D5" ELSE "D4")
    /\ UNCHANGED <<shared, my, sent, queue, era>>

D4(x) == \* load tail. Until the resize is complete, producers find the old segment; so complete it
    /\ At(x, "D4")
    /\ IF tail.sealed /\ Reopened(tail.pos) = taker.head
       THEN IF Mutant = "the consumer waits for the resize" THEN UNCHANGED <<pc, my>> ELSE Go(x, "H1") /\ LoadTail(x)
       ELSE Go(x, "D5") /\ UNCHANGED my
    /\ UNCHANGED <<shared, sent, taker, proof>>

D5(x) == \* retire the old segment: free its slots, and keep its header in limbo
    /\ At(x, "D5")
    /\ header' = [header EXCEPT ![taker.old].slots = Freed, ![taker.old].status = "limbo"]
    /\ Check(<< <<current # taker.old, "retired the current segment">> >>)
    /\ Go(x, "R0")
    /\ UNCHANGED <<tail, current, popped, guard, bell, my, sent, taker, queue, era>>

Limbo == {h \in DOMAIN header : header[h].status \in {"limbo", "kept"}}
AfterRecycle == IF taker.old # Null THEN "D1" ELSE "P4"

R0(x) == \* swap the list: keep the headers that came too late
    /\ At(x, "R0")
    /\ header' = [h \in DOMAIN header |->
                    IF header[h].status = "late" THEN [header[h] EXCEPT !.status = "kept"] ELSE header[h]]
    /\ Go(x, "R1")
    /\ UNCHANGED <<tail, current, popped, guard, bell, my, sent, taker, proof>>

R1(x) == \* load the number of pinned threads
    /\ At(x, "R1")
    /\ IF Limbo # {} /\ (Pinned = {} \/ Mutant = "recycle under a pin")
       THEN Go(x, "R2") /\ UNCHANGED taker
       ELSE Go(x, AfterRecycle) /\ taker' = [taker EXCEPT !.old = Null]
    /\ UNCHANGED <<shared, my, sent, proof>>

R2(x) == \* give the headers in limbo, and those that were kept, back for use
    /\ At(x, "R2")
    /\ header' = [h \in DOMAIN header |->
                    IF h \in Limbo THEN [header[h] EXCEPT !.status = "spare"] ELSE header[h]]
    /\ Go(x, AfterRecycle)
    /\ taker' = [taker EXCEPT !.old = Null]
    /\ UNCHANGED <<tail, current, popped, guard, bell, my, sent, proof>>

P1(x) == \* load current. Its capacity and skipped no longer change
    /\ At(x, "P1")
    /\ Check(<<Guarded(current)>>)
    /\ my' = [my EXCEPT ![x].seg = current]
    /\ Go(x, "P2")
    /\ UNCHANGED <<shared, sent, taker, queue, era>>

P2(x) == \* store its limit
    /\ At(x, "P2")
    /\ LET s == my[x].seg
           target == IF Mutant = "limit not tied to the segment" THEN current ELSE s
           limit == taker.taken + header[s].capacity + header[s].skipped
       IN /\ Check(<< <<header[target].limit <= limit, "limit lowered">> >>)
          /\ header' = [header EXCEPT ![target].limit = limit]
    /\ my' = [my EXCEPT ![x].seg = Null]
    /\ Go(x, "R0")
    /\ UNCHANGED <<tail, current, popped, guard, bell, sent, taker, queue, era>>

P4(x) == \* load tail, to shrink; or don't shrink. When to shrink is left open
    /\ At(x, "P4")
    /\ \/ Go(x, Renewed) /\ UNCHANGED <<my, taker>>
       \/ /\ taker.shrinks < Shrinks /\ ~Flagged(tail)
          /\ taker' = [taker EXCEPT !.shrinks = @ + 1]
          /\ LoadTail(x)
          /\ Go(x, "P5")
    /\ UNCHANGED <<shared, sent, proof>>

P5(x) == \* load current and its capacity
    /\ At(x, "P5")
    /\ Check(<<Guarded(current)>>)
    /\ IF header[current].capacity > MinCapacity
       THEN my' = [my EXCEPT ![x].seg = current] /\ Go(x, "C5")
       ELSE my' = [my EXCEPT ![x] = Cleared(x)] /\ Go(x, Renewed)
    /\ UNCHANGED <<shared, sent, taker, queue, era>>

N1(x) == \* load closed and, if it is set, tail. Answer "closed" or "nothing yet", or go to sleep.
         \* The thread that closes the queue sets closed a moment later, in the step in which it wakes the
         \* sleepers
    /\ At(x, "N1")
    /\ \/ /\ tail.closed /\ tail.pos <= taker.head
          /\ Go(x, "DE") /\ Check(<< <<queue = <<>>, "closed with items inside">> >>)
       \/ /\ ~(tail.closed /\ tail.pos <= taker.head) \/ At(Closer, "X2")
          /\ (Go(x, "DE") \/ Go(x, "S1")) /\ UNCHANGED fault
    /\ UNCHANGED <<shared, my, sent, taker, queue, era>>

S1(x) == \* sleepers += 1
    /\ At(x, "S1")
    /\ bell' = [bell EXCEPT !.sleepers = @ + 1]
    /\ Go(x, "S2")
    /\ UNCHANGED <<tail, current, popped, header, guard, my, sent, taker, proof>>

S2(x) == \* become a listener
    /\ At(x, "S2")
    /\ bell' = [bell EXCEPT !.listener = "waiting"]
    /\ Go(x, IF Mutant = "sleep without looking" THEN "S4" ELSE "S3")
    /\ UNCHANGED <<tail, current, popped, header, guard, my, sent, taker, proof>>

S3(x) == \* load tail: is an item there, or on its way?
    /\ At(x, "S3")
    /\ Go(x, IF tail.pos > taker.head \/ tail.closed THEN "S5" ELSE "S4")
    /\ UNCHANGED <<shared, my, sent, taker, proof>>

S4(x) == \* asleep until notified
    /\ At(x, "S4") /\ bell.listener = "notified"
    /\ Go(x, "S5")
    /\ UNCHANGED <<shared, my, sent, taker, proof>>

S5(x) == \* awake: listen no more, and look again
    /\ At(x, "S5")
    /\ bell' = [sleepers |-> bell.sleepers - 1, listener |-> "none"]
    /\ Go(x, "D1")
    /\ UNCHANGED <<tail, current, popped, header, guard, my, sent, taker, proof>>

DE(x) == \* answer, and give back the guard
    /\ At(x, "DE")
    /\ guard' = FALSE
    /\ taker' = [taker EXCEPT !.got = FALSE]
    /\ my' = [my EXCEPT ![x] = Blank]
    /\ Go(x, "D0")
    /\ UNCHANGED <<tail, current, popped, header, bell, sent, proof>>

-----------------------------------------------------------------------------
(* Closing *)

X1(x) == \* tail |= CLOSED
    /\ At(x, "X1") /\ Closes
    /\ tail' = [tail EXCEPT !.closed = TRUE]
    /\ era' = era + 1
    /\ Go(x, "X2")
    /\ UNCHANGED <<current, popped, header, guard, bell, my, sent, taker, queue, fault>>

X2(x) == \* wake the consumer
    /\ At(x, "X2")
    /\ Ring
    /\ Go(x, "stop")
    /\ UNCHANGED <<tail, current, popped, header, guard, my, sent, taker, proof>>

-----------------------------------------------------------------------------
Resize(x) ==
    \/ C5(x) \/ C5a(x) \/ C5b(x) \/ C6(x)
    \/ H1(x) \/ H2(x) \/ H3(x) \/ H3b(x) \/ H3c(x) \/ H4(x) \/ H4b(x) \/ H5(x) \/ H6(x) \/ H6b(x)

Push(x) ==
    \/ E1(x) \/ E2(x) \/ E3(x) \/ E4(x) \/ E5(x) \/ E6(x) \/ E7(x) \/ W1(x)
    \/ C0(x) \/ C1(x) \/ C2(x) \/ C3(x) \/ C4(x) \/ U0(x) \/ U1(x) \/ Resize(x)

Take(x) ==
    \/ D0(x) \/ D1(x) \/ D1b(x) \/ D1c(x) \/ D2(x) \/ D3(x) \/ D4(x) \/ D5(x) \/ R0(x) \/ R1(x) \/ R2(x)
    \/ P1(x) \/ P2(x) \/ P4(x) \/ P5(x) \/ N1(x)
    \/ S1(x) \/ S2(x) \/ S3(x) \/ S4(x) \/ S5(x) \/ DE(x) \/ Resize(x)

Close == X1(Closer) \/ X2(Closer)

\* Everything was pushed and the consumer sleeps. This is the only state in which nothing more happens; TLC
\* reports any other.
Rest ==
    /\ \A p \in Producers : sent[p] = Quota(p)
    /\ \E c \in Consumers : pc[c] = "S4"
    /\ UNCHANGED vars

Next == (\E x \in Producers : Push(x)) \/ (\E x \in Consumers : Take(x)) \/ Close \/ Rest

\* There is no fairness: every thread may stall anywhere for ever. A property that needs fairness names its
\* threads.
Spec == Init /\ [][Next]_vars

-----------------------------------------------------------------------------
(* Safety *)

TypeOK ==
    /\ tail \in [pos : Nat, sealed : BOOLEAN, closed : BOOLEAN]
    /\ current \in DOMAIN header
    /\ popped \in Nat
    /\ \A h \in DOMAIN header : header[h].status \in {"new", "private", "linked", "limbo", "late", "kept", "spare",
                                                 "deallocated"}
    /\ guard \in BOOLEAN
    /\ bell.listener \in {"none", "waiting", "notified"}
    /\ DOMAIN pc = Threads /\ DOMAIN my = Threads

\* What is taken is always the oldest message that was claimed and not yet taken. So messages are first in,
\* first out in the order of claims, hence for each producer, too; nothing comes twice, and nothing is left
\* out.
TakenInOrder == fault # "wrong item"

\* No thread reads a slot that was not written, or was moved out of.
NothingUnpublished == fault # "unpublished"

\* No producer writes to a slot whose item is still in it.
NothingOverwritten == fault # "overwritten"

\* No thread reads or writes slots that were freed.
NoRetiredSlots == fault # "retired slots"

\* Of a header that is neither linked nor in limbo, threads look only at the limit. So no thread writes to a
\* header that is used again.
NoStaleHeader == fault # "stale header"

\* The look at the limit, which is the only one that nothing protects, finds a header, whatever it has become.
NoDeallocatedHeader == fault # "deallocated header"

\* The consumer does not retire a segment that producers would still find.
NoRetiredCurrent == fault # "retired the current segment"

\* A CAS of the tail succeeds only if the tail has not changed since it was read, not even there and back.
NoABA == fault # "ABA"

\* A claim is made in the segment that its position belongs to, and while that segment is open.
ClaimsInCurrent == fault \notin {"claim in another segment", "claim in a sealed segment", "reopened too early"}

\* A claim never makes more items than the capacity of its segment. So there are never more than the largest
\* capacity. (After a shrink there may be more than the new capacity for a while. Then there is no claim.)
Bounded == fault # "over capacity" /\ Len(queue) <= MaxCapacity

\* No limit ever goes down, though the consumer stores it. When it does, it has counted at least as many items
\* as any producer that raised the limit had seen.
LimitOnlyRises == fault # "limit lowered"

\* A push is refused as full only if there were as many items as the largest capacity at the moment it looked.
\* An item counts until the consumer has stored that it was taken.
RefusedOnlyWhenFull == fault # "refused with room"

\* "Closed" is answered only when everything was taken. After that no message comes any more.
ClosedOnlyWhenDrained == fault # "closed with items inside"

Inside == {x \in Consumers : pc[x] # "D0"}
SingleConsumer == Cardinality(Inside) <= 1

\* If a consumer sleeps on while there is a message, then the producer of that message, or of a later one, has
\* still to wake it.
NoLostWakeUp ==
    \A c \in Consumers :
        pc[c] = "S4" /\ bell.listener = "waiting" /\ (queue # <<>> \/ tail.closed)
        => \/ \E p \in Producers : pc[p] \in {"E5", "E6", "U1", "E7", "W1"}
           \/ tail.closed /\ pc[Closer] = "X2"

\* How the words fit together.
Consistent ==
    /\ header[current].status = "linked"
    /\ header[taker.front].status = "linked"
    /\ ~tail.sealed => header[current].base <= tail.pos /\ header[current].end = Infinity
    /\ tail.sealed => header[current].next # Null \/ header[current].base = tail.pos + 1
    /\ (\E x \in Inside : pc[x] = "D1") => taker.head = taker.taken + header[taker.front].skipped

-----------------------------------------------------------------------------
(* Liveness. Each property names the threads that must go on; all others may stall anywhere, for ever *)

GoesOn(x) == IF x \in Producers THEN WF_vars(Push(x)) ELSE WF_vars(Take(x))

\* Lock-freedom: a producer that goes on finishes all its pushes, whatever the other threads do. (Only pushes
\* and resizes of others can delay it, and there are finitely many here.)
PusherFinishes == \A p \in Producers : GoesOn(p) => <>(sent[p] = Quota(p))

\* A resize is completed by any producer that goes on and has still something to push, whichever thread began
\* it and stalled.
ResizeCompletes ==
    \A p \in Producers :
        GoesOn(p) => (tail.sealed /\ pc[p] = "E1" /\ sent[p] < Quota(p) ~> ~tail.sealed \/ tail.closed)

RECURSIVE PublishedAt(_, _)
PublishedAt(h, pos) ==
    IF header[h].end = pos
    THEN header[h].next # Null /\ PublishedAt(header[h].next, pos + 1)
    ELSE header[h].slots # Freed /\ header[h].slots[Index(h, pos)].stamp = pos + 1

NextIsPublished == PublishedAt(taker.front, taker.head)

All == Messages + (Cardinality(Producers) - 1) * OthersMessages

\* A consumer that goes on and is awake takes what is published, whatever the producers do.
TakerTakes ==
    \A c \in Consumers :
        GoesOn(c) => \A n \in 0 .. All - 1 :
            (popped = n /\ NextIsPublished /\ pc[c] # "S4") ~> popped > n

\* Taking is wait-free: a consumer that goes on finds an answer, or finds that it may sleep, whatever the
\* producers do.
TakerAnswers == \A c \in Consumers : GoesOn(c) => (pc[c] = "D1" ~> pc[c] \in {"DE", "S1"})

\* When all threads go on, everything accepted is taken in the end, even if the consumer sleeps in between.
AllIsTaken ==
    (\A x \in Producers \cup Consumers : GoesOn(x)) /\ WF_vars(Close)
    => <>[](queue = <<>> /\ popped = taker.taken /\ \A p \in Producers : sent[p] = Quota(p))
=============================================================================
