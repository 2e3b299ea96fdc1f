/**
 * The tables of `ledger.sqlite`. Accounts, ids and keys are blobs; rows refer to entries by version and to accounts by
 * number, which keeps an entry with two legs at about 700 bytes in all.
 */

/** `PRAGMA user_version`. */
export const schemaVersion = 1

/** "ICNL" as `PRAGMA application_id`. */
export const applicationId = 0x49434e4c

export const schema = `
CREATE TABLE account (
  number INTEGER PRIMARY KEY,
  key BLOB NOT NULL UNIQUE
) STRICT;

-- version: order of admission, without gaps, so that what an entry refers to has a lower one. prev: the entry before it
-- in its chain. kind: as in the bytes (docs/ledger.md). branch: domain/ledgerHistory.ts. chain: the ChainState after
-- the entry (chainText.ts). proof: 1 = its own signature was verified, 0 = vouched for.
CREATE TABLE entry (
  version INTEGER PRIMARY KEY,
  id BLOB NOT NULL UNIQUE,
  author INTEGER NOT NULL REFERENCES account,
  seq INTEGER NOT NULL,
  prev INTEGER REFERENCES entry,
  lamport INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  branch INTEGER NOT NULL,
  booked INTEGER NOT NULL,
  proof INTEGER NOT NULL,
  chain TEXT NOT NULL,
  body BLOB NOT NULL,
  signature BLOB NOT NULL
) STRICT;
CREATE INDEX entry_chain ON entry (author, seq);
CREATE INDEX entry_vouched ON entry (version) WHERE proof = 0;
CREATE INDEX entry_unbooked ON entry (version) WHERE booked = 0;
-- Entries without legs by author; the others are found by the author's leg.
CREATE INDEX entry_legless ON entry (author) WHERE kind IN (0, 1, 2, 6, 8);

-- from_version: the entry before the branch, none for the first of a chain. tip: its last entry; kept up only from the
-- author's first fork on, before which it is that of the author.
CREATE TABLE branch (
  number INTEGER PRIMARY KEY,
  author INTEGER NOT NULL,
  from_version INTEGER REFERENCES entry,
  tip INTEGER NOT NULL REFERENCES entry
) STRICT;
CREATE INDEX branch_author ON branch (author);

-- tip: of the entries at the highest position the first. sight_from: the position from which on \`sight\` looks at the
-- chain, at most the lowest fork; sight_to: the version up to which it is complete.
CREATE TABLE author (
  account INTEGER PRIMARY KEY REFERENCES account,
  tip INTEGER NOT NULL REFERENCES entry,
  tip_seq INTEGER NOT NULL,
  lowest_fork INTEGER,
  sight_from INTEGER,
  sight_to INTEGER
) STRICT;
CREATE INDEX author_forked ON author (account) WHERE lowest_fork IS NOT NULL;

-- What entries say of others, besides the one before in the chain. role: 0 ack, 1 resolve (post, void), 2 reverse,
-- 3 dep, 4 the genesis from the first entry of a chain. author: of the one that says it.
CREATE TABLE reference (
  to_version INTEGER NOT NULL REFERENCES entry,
  role INTEGER NOT NULL,
  author INTEGER NOT NULL,
  from_version INTEGER NOT NULL REFERENCES entry,
  PRIMARY KEY (to_version, role, author, from_version)
) STRICT, WITHOUT ROWID;
CREATE INDEX reference_from ON reference (from_version);

CREATE TABLE idempotency (
  author INTEGER NOT NULL,
  key BLOB NOT NULL,
  version INTEGER NOT NULL REFERENCES entry,
  PRIMARY KEY (author, key, version)
) STRICT, WITHOUT ROWID;

-- Memberships and grants by whom they are about.
CREATE TABLE concerning (
  account INTEGER NOT NULL,
  version INTEGER NOT NULL REFERENCES entry,
  kind INTEGER NOT NULL,
  PRIMARY KEY (account, version)
) STRICT, WITHOUT ROWID;

-- Legs by account, those of holds too (posting = 0). booked: as the entry's. open: a booked hold's debit that is
-- neither posted nor voided, or a booked credit without a booked ack.
CREATE TABLE leg (
  account INTEGER NOT NULL,
  currency INTEGER NOT NULL,
  version INTEGER NOT NULL REFERENCES entry,
  amount INTEGER NOT NULL,
  posting INTEGER NOT NULL,
  booked INTEGER NOT NULL,
  open INTEGER NOT NULL,
  PRIMARY KEY (account, currency, version)
) STRICT, WITHOUT ROWID;
CREATE INDEX leg_open ON leg (account, version) WHERE open = 1;

-- Booked holds that are neither posted nor voided, by payer.
CREATE TABLE open_hold (
  account INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  version INTEGER NOT NULL REFERENCES entry,
  PRIMARY KEY (account, expires_at, version)
) STRICT, WITHOUT ROWID;

-- The books. *_0: as of the last checkpoint. A row is there while one of the six is not 0.
CREATE TABLE balance (
  account INTEGER NOT NULL,
  currency INTEGER NOT NULL,
  posted INTEGER NOT NULL,
  held INTEGER NOT NULL,
  unacked INTEGER NOT NULL,
  posted_0 INTEGER NOT NULL DEFAULT 0,
  held_0 INTEGER NOT NULL DEFAULT 0,
  unacked_0 INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (account, currency)
) STRICT, WITHOUT ROWID;

-- The latest only. root: Merkle root over the rows of balance at the version, signed by this node.
CREATE TABLE checkpoint (
  version INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  root BLOB NOT NULL,
  signature BLOB NOT NULL
) STRICT;

CREATE TABLE quarantine (
  position INTEGER PRIMARY KEY,
  id BLOB NOT NULL UNIQUE,
  author BLOB NOT NULL,
  owner BLOB NOT NULL,
  seq INTEGER NOT NULL,
  state TEXT NOT NULL,
  reason TEXT NOT NULL,
  proof INTEGER NOT NULL,
  at INTEGER NOT NULL,
  body BLOB NOT NULL,
  signature BLOB NOT NULL
) STRICT;
CREATE INDEX quarantine_owner ON quarantine (owner, position);
CREATE TABLE quarantine_missing (
  missing BLOB NOT NULL,
  id BLOB NOT NULL,
  PRIMARY KEY (missing, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX quarantine_missing_id ON quarantine_missing (id);
-- owner: the author, or nothing for all who are no members.
CREATE TABLE quarantine_share (
  owner BLOB PRIMARY KEY,
  bytes INTEGER NOT NULL,
  entries INTEGER NOT NULL,
  pending INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX quarantine_bytes ON quarantine_share (bytes);

-- Entries of forked authors in the past of an entry of an author who has not forked (domain/ledgerBooking.ts).
CREATE TABLE covered (
  version INTEGER PRIMARY KEY REFERENCES entry
) STRICT;

-- What an entry has of a forked author's chain in its past, from the author's sight_from on: the version of its end
-- there, or -1 for a fork. No row: nothing, up to the author's sight_to.
CREATE TABLE sight (
  author INTEGER NOT NULL,
  version INTEGER NOT NULL,
  sees INTEGER NOT NULL,
  PRIMARY KEY (author, version)
) STRICT, WITHOUT ROWID;

-- Own intents that were refused.
CREATE TABLE refusal (
  position INTEGER PRIMARY KEY,
  key BLOB NOT NULL UNIQUE,
  digest TEXT NOT NULL,
  reason TEXT NOT NULL
) STRICT;

-- The highest position that others have shown of this node's own chain, and the like.
CREATE TABLE setting (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
`
