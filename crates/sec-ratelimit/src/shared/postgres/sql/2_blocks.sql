-- Blocks: lists of records that processes read in the order of their changes.
--
-- These tables are logged, unlike the counters: who is blocked stays so after a crash. Blocks are rare.
-- Times are microseconds since 1970 on the server's clock.

CREATE TABLE IF NOT EXISTS {schema}.block_lists (
    list  text   PRIMARY KEY,
    begun bigint NOT NULL, -- its first number
    last  bigint NOT NULL, -- its last one
    held  bigint NOT NULL  -- how many records it has
);

CREATE TABLE IF NOT EXISTS {schema}.blocks (
    list   text    NOT NULL,
    digest uuid    NOT NULL,
    number bigint  NOT NULL, -- of its last change
    until  bigint  NOT NULL, -- when the record goes
    ends   bigint  NOT NULL, -- when it no longer blocks
    lifted boolean NOT NULL,
    manual boolean NOT NULL,
    wide   boolean NOT NULL,
    count  bigint  NOT NULL,
    shown  text,
    PRIMARY KEY (list, digest)
);
CREATE UNIQUE INDEX IF NOT EXISTS blocks_by_number ON {schema}.blocks (list, number);
CREATE INDEX IF NOT EXISTS blocks_by_until ON {schema}.blocks (list, until);

-- Writes one record with the next number of its list, whose row the caller has locked: numbers become
-- visible in their order, so that no reader goes past one that comes later.
CREATE OR REPLACE FUNCTION {schema}.block_write_1(new {schema}.blocks, most bigint, now bigint)
RETURNS void LANGUAGE plpgsql VOLATILE AS $fn$
#variable_conflict use_column
DECLARE
    here {schema}.block_lists;
    gone bigint;
BEGIN
    SELECT * INTO STRICT here FROM {schema}.block_lists l WHERE l.list = new.list;
    -- A part of what is over at a time, and as many as there is no room for, those first that would go first.
    DELETE FROM {schema}.blocks b WHERE b.list = new.list AND b.digest = new.digest;
    GET DIAGNOSTICS gone = ROW_COUNT;
    here.held := here.held - gone;
    DELETE FROM {schema}.blocks b WHERE b.list = new.list AND b.digest IN (
        SELECT o.digest FROM {schema}.blocks o WHERE o.list = new.list AND o.until <= now
        ORDER BY o.until LIMIT 200
    );
    GET DIAGNOSTICS gone = ROW_COUNT;
    here.held := here.held - gone;
    IF here.held >= most THEN
        DELETE FROM {schema}.blocks b WHERE b.list = new.list AND b.digest IN (
            SELECT o.digest FROM {schema}.blocks o WHERE o.list = new.list
            ORDER BY o.until LIMIT here.held - most + 1
        );
        GET DIAGNOSTICS gone = ROW_COUNT;
        here.held := here.held - gone;
    END IF;
    new.number := greatest(here.last + 1, now);
    INSERT INTO {schema}.blocks SELECT new.*;
    UPDATE {schema}.block_lists l SET
        begun = CASE WHEN l.last = 0 THEN new.number ELSE l.begun END,
        last = new.number,
        held = here.held + 1
        WHERE l.list = new.list;
END
$fn$;

-- Locks a list for one writer at a time, and says whether it exists.
CREATE OR REPLACE FUNCTION {schema}.block_lock_1(name text, patience integer)
RETURNS boolean LANGUAGE plpgsql VOLATILE AS $fn$
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'sec-ratelimit: blocks need READ COMMITTED, this transaction is %',
            current_setting('transaction_isolation') USING ERRCODE = 'invalid_transaction_state';
    END IF;
    PERFORM set_config('lock_timeout', patience::text, true);
    PERFORM FROM {schema}.block_lists l WHERE l.list = name FOR UPDATE;
    RETURN found;
END
$fn$;

-- A block. One set by hand replaces, an automatic one never shortens; the larger count and the longer
-- memory stay.
CREATE OR REPLACE FUNCTION {schema}.block_put_1(
    name text, digest uuid, rest bigint, memory bigint, manual boolean, wide boolean,
    count bigint, shown text, most bigint, patience integer
) RETURNS void LANGUAGE plpgsql VOLATILE AS $fn$
#variable_conflict use_variable
DECLARE
    now bigint;
    old {schema}.blocks;
    new {schema}.blocks;
BEGIN
    IF NOT {schema}.block_lock_1(name, patience) THEN
        INSERT INTO {schema}.block_lists VALUES (name, 0, 0, 0) ON CONFLICT DO NOTHING;
        PERFORM {schema}.block_lock_1(name, patience);
    END IF;
    now := (extract(epoch FROM clock_timestamp()) * 1000000)::bigint;
    new := ROW (
        name, digest, 0, now + greatest(memory, rest), now + rest, false, manual, wide, count, shown
    );
    SELECT * INTO old FROM {schema}.blocks b
        WHERE b.list = name AND b.digest = digest AND b.until > now AND NOT b.lifted;
    IF found THEN
        IF NOT manual AND old.ends > now AND old.ends >= new.ends THEN
            new.ends := old.ends;
            new.manual := old.manual;
            new.wide := old.wide;
            new.shown := old.shown;
        END IF;
        new.until := greatest(new.until, old.until);
        new.count := greatest(new.count, old.count);
    END IF;
    IF new.until > now THEN
        PERFORM {schema}.block_write_1(new, most, now);
    END IF;
END
$fn$;

-- Puts into the place of a record that its key was lifted.
CREATE OR REPLACE FUNCTION {schema}.block_lift_1(name text, digest uuid, most bigint, patience integer)
RETURNS void LANGUAGE plpgsql VOLATILE AS $fn$
#variable_conflict use_variable
DECLARE
    now bigint;
    old {schema}.blocks;
BEGIN
    IF NOT {schema}.block_lock_1(name, patience) THEN
        RETURN;
    END IF;
    now := (extract(epoch FROM clock_timestamp()) * 1000000)::bigint;
    SELECT * INTO old FROM {schema}.blocks b
        WHERE b.list = name AND b.digest = digest AND b.until > now AND NOT b.lifted;
    IF found THEN
        old.lifted := true;
        old.shown := NULL;
        PERFORM {schema}.block_write_1(old, most, now);
    END IF;
END
$fn$;

-- What changed after a number, oldest first; the last row, without a digest, says where to go on.
-- STABLE, so that list and records are of one moment. A server that starts may have gone back to a backup, and a
-- replica that was promoted may have missed something: the start of the server is the epoch.
CREATE OR REPLACE FUNCTION {schema}.block_changes_1(name text, since bigint, most integer)
RETURNS TABLE (
    next bigint, more boolean, lost boolean,
    digest uuid, lifted boolean, rest bigint, memory bigint, manual boolean, wide boolean,
    count bigint, shown text, epoch bigint
) LANGUAGE plpgsql STABLE AS $fn$
#variable_conflict use_variable
DECLARE
    now bigint := (extract(epoch FROM clock_timestamp()) * 1000000)::bigint;
    first bigint := 0;
    final bigint := 0;
    told bigint;
    entry {schema}.blocks;
    entries integer := 0;
BEGIN
    SELECT l.begun, l.last INTO first, final FROM {schema}.block_lists l WHERE l.list = name;
    first := coalesce(first, 0);
    final := coalesce(final, 0);
    lost := since <> 0 AND (since < first OR since > final);
    more := false;
    FOR entry IN
        SELECT * FROM {schema}.blocks b
        WHERE b.list = name AND b.number > CASE WHEN lost THEN 0 ELSE since END AND b.until > now
        ORDER BY b.number LIMIT most + 1
    LOOP
        IF entries = most THEN
            more := true;
            EXIT;
        END IF;
        entries := entries + 1;
        told := entry.number;
        digest := entry.digest;
        lifted := entry.lifted;
        rest := greatest(entry.ends - now, 0);
        memory := entry.until - now;
        manual := entry.manual;
        wide := entry.wide;
        count := entry.count;
        shown := entry.shown;
        RETURN NEXT;
    END LOOP;
    next := CASE WHEN more THEN told ELSE final END;
    digest := NULL;
    epoch := (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint;
    RETURN NEXT;
END
$fn$;
