-- Counters: one row per key, changed only by decide_1.
--
-- Times are microseconds since 1970 on the server's clock. All numbers of a limiter stay below 2^53;
-- products that may not fit are made as numeric. A key is the hash of limiter, tier and subject.
--
-- A crash or a fail-over empties the table: what is unlogged costs no write-ahead log and no flush.
-- That is said of each leaf, because a partition does not inherit it. Nothing but the key is indexed,
-- so that each change of a row stays on its page (HOT), where room is left for it.

CREATE TABLE IF NOT EXISTS {schema}.counters (
    key   uuid   NOT NULL,
    kind  "char" NOT NULL, -- the algorithm: f, g, e, s or b, as in decide_1
    until bigint NOT NULL, -- from when on the row says no more than none would
    state bigint[] NOT NULL,
    PRIMARY KEY (key)
) PARTITION BY HASH (key);

DO $do$
BEGIN
    FOR leaf IN 0..3 LOOP
        EXECUTE format(
            'CREATE UNLOGGED TABLE IF NOT EXISTS {schema}.counters_%1$s PARTITION OF {schema}.counters '
            'FOR VALUES WITH (MODULUS 4, REMAINDER %1$s) '
            -- Cutting a file off at its end would lock the leaf for a moment: its pages are used again.
            'WITH (fillfactor = 60, vacuum_truncate = false, autovacuum_vacuum_scale_factor = 0.05)',
            leaf
        );
    END LOOP;
END
$do$;

-- In the functions below `a` and `b` are the two numbers of a quota: limit and window, or a bucket's
-- interval and burst. `s` is the state:
--   f  fixed window     start, count
--   g  bucket           when it is full again, all that was given back, when the state was born
--   e  exact log        how many units were pushed out and since when, which refunds give back first; then
--                       runs of an instant and a count, oldest first
--   s  sliding window   start, count, count of the window before
--   b  bounded window   start of the newest sub-window, seventeen counts, the newest first

-- The state as it is now. A state that says nothing any more, or none, is a fresh one.
-- An instant before a start counts as inside: a step back of the clock mints nothing.
CREATE OR REPLACE FUNCTION {schema}.rolled_1(
    kind "char", a bigint, b bigint, s bigint[], now bigint
) RETURNS bigint[] LANGUAGE plpgsql IMMUTABLE AS $fn$
DECLARE
    step bigint;
    steps integer;
    first integer := 1;
    total bigint := 0;
    count bigint;
BEGIN
    IF kind = 'f' THEN
        IF s IS NULL OR s[2] = 0 OR now >= s[1] + b THEN
            RETURN ARRAY[now, 0];
        END IF;
    ELSIF kind = 'g' THEN
        IF s IS NULL OR s[1] <= now THEN
            RETURN ARRAY[0, 0, now];
        END IF;
    ELSIF kind = 'e' THEN
        IF s IS NULL THEN
            RETURN ARRAY[0, 0]::bigint[];
        END IF;
        first := 3;
        WHILE first < cardinality(s) AND s[first] + b <= now LOOP
            first := first + 2;
        END LOOP;
        IF first > 3 THEN
            -- What was pushed out is older than any run, and has expired before it.
            RETURN ARRAY[0, 0]::bigint[] || s[first:];
        END IF;
    ELSIF kind = 's' THEN
        IF s IS NULL OR NOT (
            (s[2] > 0 AND now - s[1] < 2 * b) OR (s[3] > 0 AND now - s[1] < b)
        ) THEN
            RETURN ARRAY[now, 0, 0];
        END IF;
        IF now - s[1] >= b THEN
            RETURN ARRAY[s[1] + b, 0, s[2]];
        END IF;
    ELSIF kind = 'b' THEN
        step := (b + 15) / 16;
        steps := least(greatest(now - s[1], 0) / step, 17);
        IF s IS NOT NULL AND steps < 17 THEN
            FOREACH count IN ARRAY s[2:18 - steps] LOOP
                total := total + count;
            END LOOP;
        END IF;
        IF total = 0 THEN
            RETURN now || array_fill(0::bigint, ARRAY[17]);
        END IF;
        IF steps > 0 THEN
            RETURN (s[1] + steps * step) || array_fill(0::bigint, ARRAY[steps]) || s[2:18 - steps];
        END IF;
    ELSE
        RAISE EXCEPTION 'sec-ratelimit: no algorithm %', kind USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RETURN s;
END
$fn$;

-- What a rolled state counts as used; of a bucket, how far it is from full.
CREATE OR REPLACE FUNCTION {schema}.used_1(
    kind "char", b bigint, s bigint[], now bigint
) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS $fn$
DECLARE
    total bigint := 0;
BEGIN
    IF kind = 'f' THEN
        RETURN s[2];
    ELSIF kind = 'g' THEN
        RETURN greatest(s[1] - now, 0);
    ELSIF kind = 's' THEN
        -- The older window weighs as much of it as lies within one window of now, rounded up.
        RETURN s[2] + div(s[3]::numeric * (b - greatest(now - s[1], 0)) + (b - 1), b);
    ELSIF kind = 'e' THEN
        FOR at IN 2..cardinality(s) / 2 LOOP
            total := total + s[2 * at];
        END LOOP;
    ELSE
        FOR at IN 2..18 LOOP
            total := total + s[at];
        END LOOP;
    END IF;
    RETURN total;
END
$fn$;

-- How long until so many of the oldest units of a log or a bounded window have expired.
CREATE OR REPLACE FUNCTION {schema}.expiry_1(
    kind "char", b bigint, s bigint[], now bigint, units bigint
) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS $fn$
DECLARE
    gone bigint := 0;
    age bigint;
BEGIN
    IF kind = 'e' THEN
        FOR at IN 2..cardinality(s) / 2 LOOP
            gone := gone + s[2 * at];
            IF gone >= units THEN
                RETURN least(greatest(s[2 * at - 1] + b - now, 0), b);
            END IF;
        END LOOP;
    ELSE
        FOR at IN REVERSE 18..2 LOOP
            gone := gone + s[at];
            IF s[at] > 0 AND gone >= units THEN
                age := (b + 15) / 16 * (19 - at);
                RETURN least(greatest(s[1] + age - now, 0), age);
            END IF;
        END LOOP;
    END IF;
    RETURN NULL;
END
$fn$;

-- How long until `units`, which the limit can hold, fit into a sliding window.
CREATE OR REPLACE FUNCTION {schema}.faded_1(
    a bigint, b bigint, s bigint[], now bigint, units bigint
) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS $fn$
DECLARE
    age bigint := 0;
    room bigint := a - units;
    weighs bigint := s[3];
BEGIN
    IF room < s[2] THEN
        -- The newer window alone is too much: it must become the older one and fade.
        age := b;
        weighs := s[2];
    ELSE
        room := room - s[2];
    END IF;
    IF weighs > 0 THEN
        age := age + greatest(b - div(room::numeric * b, weighs), 0);
    END IF;
    RETURN least(greatest(s[1] + age - now, 0), age);
END
$fn$;

-- How a rolled state stands: the wait for `units` (0 they fit, -1 they never will), what is left, when
-- everything is available again, when one more unit is.
CREATE OR REPLACE FUNCTION {schema}.standing_1(
    kind "char", a bigint, b bigint, s bigint[], now bigint, units bigint
) RETURNS bigint[] LANGUAGE plpgsql IMMUTABLE AS $fn$
DECLARE
    used bigint := {schema}.used_1(kind, b, s, now);
    remaining bigint := greatest(a - used, 0);
    fits boolean := units <= a AND used + units <= a;
    wait bigint;
    reset bigint;
    next bigint;
BEGIN
    IF kind = 'f' THEN
        wait := least(greatest(s[1] + b - now, 0), b);
        reset := CASE WHEN used = 0 THEN 0 ELSE wait END;
        next := reset;
    ELSIF kind = 'g' THEN
        remaining := least(greatest(a * b - used, 0) / a, b);
        reset := used;
        next := CASE WHEN used = 0 THEN 0 ELSE greatest((remaining + 1) * a + used - a * b, 0) END;
        IF units > b THEN
            wait := -1;
        ELSE
            wait := greatest(used + units * a - a * b, 0);
        END IF;
        RETURN ARRAY[wait, remaining, reset, next];
    ELSIF kind = 's' THEN
        wait := CASE WHEN NOT fits AND units <= a THEN {schema}.faded_1(a, b, s, now, units) END;
        reset := CASE
            WHEN s[2] > 0 THEN least(greatest(s[1] + 2 * b - now, 0), 2 * b)
            WHEN s[3] > 0 THEN least(greatest(s[1] + b - now, 0), b)
            ELSE 0
        END;
        next := CASE WHEN remaining >= a THEN 0 ELSE {schema}.faded_1(a, b, s, now, remaining + 1) END;
    ELSE
        IF NOT fits AND units <= a THEN
            -- Nothing: more is asked to expire than was ever taken, after a limit was lowered.
            wait := coalesce({schema}.expiry_1(kind, b, s, now, used + units - a), b);
        END IF;
        IF used = 0 THEN
            reset := 0;
            next := 0;
        ELSE
            reset := {schema}.expiry_1(kind, b, s, now, used);
            next := coalesce({schema}.expiry_1(kind, b, s, now, greatest(used + 1 - a, 1)), 0);
        END IF;
    END IF;
    RETURN ARRAY[CASE WHEN units > a THEN -1 WHEN fits THEN 0 ELSE wait END, remaining, reset, next];
END
$fn$;

-- Takes from a rolled state. The four numbers of the hold come first, the state after them.
CREATE OR REPLACE FUNCTION {schema}.taken_1(
    kind "char", a bigint, b bigint, s bigint[], now bigint, units bigint, demands boolean
) RETURNS bigint[] LANGUAGE plpgsql IMMUTABLE AS $fn$
DECLARE
    last CONSTANT bigint := 9000000000000000;
    size integer := cardinality(s);
    at bigint := now;
    before bigint;
    used bigint;
    too_many bigint;
    hold bigint[];
BEGIN
    IF kind = 'f' THEN
        s[2] := least(s[2] + units, last);
        RETURN ARRAY[s[1], 0, 0, 0] || s;
    ELSIF kind = 'g' THEN
        before := greatest(s[1], now);
        s[1] := before + CASE WHEN units > last / a THEN last ELSE units * a END;
        s[1] := least(s[1], CASE WHEN demands THEN greatest(before, now + a * b) ELSE last END);
        RETURN ARRAY[s[1], s[1] - before, s[2], s[3]] || s;
    END IF;
    used := {schema}.used_1(kind, b, s, now);
    IF demands THEN
        units := least(units, greatest(a - used, 0));
    END IF;
    IF kind <> 'e' THEN
        s[2] := least(s[2] + units, last);
        RETURN ARRAY[s[1], units, 0, 0] || s;
    END IF;
    IF size > 2 THEN
        at := greatest(now, s[size - 1]);
    END IF;
    hold := ARRAY[at, units, 0, 0];
    -- What does not fit pushes the oldest out.
    too_many := greatest(used + units - greatest(a, used), 0);
    IF too_many > 0 AND s[1] = 0 THEN
        s[2] := coalesce(s[3], at);
    END IF;
    s[1] := least(s[1] + too_many, last);
    units := least(units, greatest(a, used));
    too_many := used + units - greatest(a, used);
    WHILE too_many > 0 AND cardinality(s) > 2 LOOP
        before := least(too_many, s[4]);
        too_many := too_many - before;
        IF before = s[4] THEN
            s := s[:2] || s[5:];
        ELSE
            s[4] := s[4] - before;
        END IF;
    END LOOP;
    size := cardinality(s);
    IF size > 2 AND s[size - 1] = at THEN
        s[size] := s[size] + units;
    ELSIF units > 0 THEN
        s := s || ARRAY[at, units];
    END IF;
    RETURN hold || s;
END
$fn$;

-- Gives units of a hold back to the (sub-)window or instant that it was taken from, or to nothing.
CREATE OR REPLACE FUNCTION {schema}.given_1(
    kind "char", a bigint, b bigint, s bigint[], now bigint, units bigint, hold bigint[]
) RETURNS bigint[] LANGUAGE plpgsql IMMUTABLE AS $fn$
DECLARE
    last CONSTANT bigint := 9000000000000000;
    step bigint;
    age bigint;
    back bigint;
BEGIN
    IF kind = 'f' THEN
        IF s[1] = hold[1] THEN
            s[2] := greatest(s[2] - units, 0);
        END IF;
    ELSIF kind = 'g' THEN
        IF s[3] = hold[4] AND s[2] >= hold[3] THEN
            back := CASE WHEN units > last / a THEN last ELSE units * a END;
            back := greatest(least(back, hold[2], hold[1] - (s[2] - hold[3]) - now), 0);
            s[1] := s[1] - back;
            s[2] := s[2] + back;
        END IF;
    ELSIF kind = 'e' THEN
        units := least(units, hold[2]);
        IF hold[1] >= s[2] AND hold[1] + b > now THEN
            back := least(units, s[1]);
            s[1] := s[1] - back;
            units := units - back;
        END IF;
        FOR at IN 2..cardinality(s) / 2 LOOP
            IF s[2 * at - 1] = hold[1] THEN
                IF s[2 * at] > units THEN
                    s[2 * at] := s[2 * at] - units;
                    RETURN s;
                END IF;
                RETURN s[:2 * at - 2] || s[2 * at + 1:];
            END IF;
        END LOOP;
    ELSIF kind = 's' THEN
        IF s[1] = hold[1] THEN
            s[2] := greatest(s[2] - least(units, hold[2]), 0);
        ELSIF s[1] = hold[1] + b THEN
            s[3] := greatest(s[3] - least(units, hold[2]), 0);
        END IF;
    ELSE
        step := (b + 15) / 16;
        age := s[1] - hold[1];
        IF age >= 0 AND age % step = 0 AND age / step <= 16 THEN
            s[2 + age / step] := greatest(s[2 + age / step] - least(units, hold[2]), 0);
        END IF;
    END IF;
    RETURN s;
END
$fn$;

-- One decision or settlement over all tiers of a limiter, all or nothing. `op` is peek, take, give, more
-- or reset; `patience` the milliseconds that it may wait for other decisions on its keys; `locks` one number
-- per key, **in ascending order**, so that no two decisions ever wait for each other; `holds` four
-- numbers per tier.
--
-- Each key is locked by its number, so that also the first request of a key, which has no row yet, has
-- nobody beside it. At READ COMMITTED each statement in here then sees what the holder before it
-- wrote, which is why no other level is accepted. The clock is read when all locks are held and all rows are
-- read: what an earlier holder wrote has an earlier time, and a row that was swept away was over.
CREATE OR REPLACE FUNCTION {schema}.decide_1(
    op text, units bigint, patience integer, locks bigint[], keys uuid[], kinds "char"[],
    a bigint[], b bigint[], demands boolean[], holds bigint[]
) RETURNS TABLE (
    wait bigint, remaining bigint, reset bigint, next bigint,
    hold_1 bigint, hold_2 bigint, hold_3 bigint, hold_4 bigint
) LANGUAGE plpgsql VOLATILE SET plan_cache_mode = force_generic_plan AS $fn$
#variable_conflict use_variable
DECLARE
    now bigint;
    lock bigint;
    refused boolean := false;
    state bigint[];
    given bigint[];
    -- The states of all tiers, one after the other, and where each ends: as found, and as they are now.
    found_states bigint[] := ARRAY[]::bigint[];
    found_ends integer[] := ARRAY[0];
    states bigint[] := ARRAY[]::bigint[];
    ends integer[] := ARRAY[0];
    waits bigint[] := ARRAY[]::bigint[];
    hold bigint[];
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'sec-ratelimit: decisions need READ COMMITTED, this transaction is %',
            current_setting('transaction_isolation') USING ERRCODE = 'invalid_transaction_state';
    END IF;
    PERFORM set_config('lock_timeout', patience::text, true);
    FOREACH lock IN ARRAY locks LOOP
        PERFORM pg_advisory_xact_lock(lock);
    END LOOP;
    IF op = 'reset' THEN
        DELETE FROM {schema}.counters c WHERE c.key = ANY (keys);
        RETURN;
    END IF;
    FOR tier IN 1..cardinality(keys) LOOP
        SELECT c.state INTO state FROM {schema}.counters c
            WHERE c.key = keys[tier] AND c.kind = kinds[tier];
        found_states := found_states || state;
        found_ends := found_ends || cardinality(found_states);
    END LOOP;
    now := (extract(epoch FROM clock_timestamp()) * 1000000)::bigint;

    FOR tier IN 1..cardinality(keys) LOOP
        state := nullif(found_states[found_ends[tier] + 1:found_ends[tier + 1]], '{}');
        state := {schema}.rolled_1(kinds[tier], a[tier], b[tier], state, now);
        given := {schema}.standing_1(kinds[tier], a[tier], b[tier], state, now, units);
        IF op = 'peek' OR op = 'take' THEN
            refused := refused OR (given[1] <> 0 AND NOT demands[tier]);
        ELSE
            given[1] := 0;
        END IF;
        states := states || state;
        ends := ends || cardinality(states);
        waits := waits || given;
    END LOOP;

    FOR tier IN 1..cardinality(keys) LOOP
        given := waits[4 * tier - 3:4 * tier];
        hold := ARRAY[0, 0, 0, 0];
        IF op <> 'peek' AND NOT refused THEN
            state := states[ends[tier] + 1:ends[tier + 1]];
            IF op = 'give' THEN
                state := {schema}.given_1(
                    kinds[tier], a[tier], b[tier], state, now, units, holds[4 * tier - 3:4 * tier]
                );
            ELSE
                hold := {schema}.taken_1(
                    kinds[tier], a[tier], b[tier], state, now, units, demands[tier]
                );
                state := hold[5:];
            END IF;
            given := given[1] || ({schema}.standing_1(
                kinds[tier], a[tier], b[tier], state, now, 0
            ))[2:];
            IF given[3] > 0 THEN
                -- Whoever sweeps may have taken the row away since it was read.
                INSERT INTO {schema}.counters AS c (key, kind, until, state)
                    VALUES (keys[tier], kinds[tier], now + given[3], state)
                    ON CONFLICT ON CONSTRAINT counters_pkey DO UPDATE
                    SET kind = excluded.kind, until = excluded.until, state = excluded.state;
            ELSE
                DELETE FROM {schema}.counters c WHERE c.key = keys[tier];
            END IF;
        END IF;
        wait := given[1];
        remaining := given[2];
        reset := given[3];
        next := given[4];
        hold_1 := hold[1];
        hold_2 := hold[2];
        hold_3 := hold[3];
        hold_4 := hold[4];
        RETURN NEXT;
    END LOOP;
END
$fn$;

-- Deletes the rows of one leaf that are over, in so many pages from one on, and returns how many they
-- were. Rows that a decision is changing are left for the next time: nobody waits for this.
CREATE OR REPLACE FUNCTION {schema}.sweep_1(leaf integer, page bigint, pages bigint, OUT swept bigint, OUT total bigint)
LANGUAGE plpgsql VOLATILE AS $fn$
DECLARE
    now bigint := (extract(epoch FROM clock_timestamp()) * 1000000)::bigint;
BEGIN
    EXECUTE format(
        'WITH over AS ('
        '    SELECT ctid FROM {schema}.counters_%s'
        '    WHERE ctid >= $1 AND ctid < $2 AND until <= $3 FOR UPDATE SKIP LOCKED'
        ') DELETE FROM {schema}.counters_%1$s c USING over WHERE c.ctid = over.ctid AND c.until <= $3',
        leaf
    ) USING format('(%s,0)', page)::tid, format('(%s,0)', page + pages)::tid, now;
    GET DIAGNOSTICS swept = ROW_COUNT;
    total := pg_relation_size(format('{schema}.counters_%s', leaf)::regclass)
        / current_setting('block_size')::bigint;
END
$fn$;
