import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { TerminalError, errorFrom } from '#platform/errors.ts';
import type { Logger } from '#platform/telemetry/logging.ts';
import type { JudgeEvents } from './judge-events.ts';

export interface StoredReply {
  readonly text: string;
  readonly replyId: string;
}

/** Replies on disk. What goes wrong with it is counted, and is never an error of the caller: the judge is asked then. */
export interface ReplyStore {
  get(key: string): StoredReply | undefined;
  set(key: string, reply: StoredReply): void;
  close(): void;
}

export interface ReplyStoreOptions {
  /** Made when it is not there. */
  readonly directory: string;
  /** Bound of the file; its journal takes up to 4 MiB next to it. */
  readonly mebibytes: number;
  /** For messages. */
  readonly who: string;
  readonly events: Pick<JudgeEvents, 'stored' | 'storedBytes'>;
  readonly log: Logger;
  /** Milliseconds since 1970. */
  readonly clock?: () => number;
}

const pageBytes = 4096;
const journalBytes = 4 * 2 ** 20;
/** Others write for microseconds; longer than this, the reply is not kept. */
const busyMs = 100;
/** At the start others may be making the file: so many tries, with a pause that blocks, for nothing runs yet. */
const openTries = 50;
const openPauseMs = 50;
/** A use is written down once within this time. */
const touchMs = 60 * 60_000;
/** A reply may take this share of the bound. */
const largestShare = 8;
/** Share of the replies that goes at once. */
const evictedShare = 10;
const evictionRounds = 8;

/** https://www.sqlite.org/rescode.html */
const codes = { busy: 5, locked: 6, corrupt: 11, full: 13, notADatabase: 26 } as const;

const filePattern = /^replies-(\d{1,9})\.sqlite$/;

/**
 * Replies in an SQLite file in `directory`, shared by every judge and every process on this machine that names the folder
 * (not over a network file system). Each entry carries a digest, so that one that is damaged is seen. A file that is no
 * database any more is left behind for `replies-N+1`: names are never used twice, for others may still have the old one open.
 * Throws TerminalError when the folder cannot be used at all.
 */
export function openReplyStore(options: ReplyStoreOptions): ReplyStore {
  const { directory, events, log, who, clock = Date.now } = options;
  const maxPages = Math.floor((options.mebibytes * 2 ** 20) / pageBytes);
  let open = startAt(newestGeneration());
  events.storedBytes(open.pages() * pageBytes);

  function newestGeneration(): number {
    try {
      mkdirSync(directory, { recursive: true, mode: 0o700 });
      return readdirSync(directory).reduce(
        (newest, name) => Math.max(newest, Number(filePattern.exec(name)?.[1] ?? 1)),
        1,
      );
    } catch (cause) {
      throw unusable(cause);
    }
  }

  function unusable(cause: unknown): TerminalError {
    return new TerminalError(
      'invalid_argument',
      `${who}: cacheDirectory: ${directory} cannot be used (${errorFrom(cause).message}); name a folder that can be written, or leave it out`,
      { cause },
    );
  }

  function startAt(generation: number): OpenFile {
    const path = join(directory, `replies-${generation}.sqlite`);
    try {
      return openWithRetries(path, generation, maxPages);
    } catch (thrown) {
      if (!isDamaged(thrown)) throw unusable(thrown);
      return leaveBehind(path, generation);
    }
  }

  function leaveBehind(path: string, generation: number): OpenFile {
    events.stored('unreadable');
    log.warn({ path }, 'a file of replies is damaged and is left behind; its questions are asked again');
    const next = startAt(generation + 1);
    for (const suffix of ['', '-wal', '-shm']) rmSync(`${path}${suffix}`, { force: true });
    return next;
  }

  /** Does something with the file; undefined when that failed, which is counted. */
  function attempt<T>(action: (file: OpenFile) => T): T | undefined {
    const file = open;
    try {
      return action(file);
    } catch (thrown) {
      if (!isDamaged(thrown)) {
        events.stored('failed');
        return undefined;
      }
      try {
        file.database.close();
        open = leaveBehind(file.path, file.generation);
      } catch (cause) {
        events.stored('failed');
        log.warn({ err: errorFrom(cause) }, 'replies can no longer be kept on disk');
      }
      return undefined;
    }
  }

  return {
    get(key) {
      const row = attempt((file) => file.find.get(key));
      if (row === undefined) return undefined;
      const reply = replyOf(key, row);
      if (reply === undefined) {
        events.stored('unreadable');
        attempt((file) => file.remove.run(key));
        return undefined;
      }
      events.stored('read');
      // What was read is good, whether its use can be written down or not.
      if (Number(row['used']) < clock() - touchMs) attempt((file) => file.touch.run(clock(), key));
      return reply;
    },
    set(key, { text, replyId }) {
      const entry = JSON.stringify([text, replyId]);
      if (entry.length * largestShare > options.mebibytes * 2 ** 20) return;
      attempt((file) => {
        insert(file, key, entry);
        events.stored('written');
        events.storedBytes(file.pages() * pageBytes);
      });
    },
    close() {
      // It is closed already where no file could take the place of a damaged one.
      if (open.database.isOpen) open.database.close();
    },
  };

  function insert(file: OpenFile, key: string, entry: string): void {
    for (let round = 1; ; round += 1) {
      try {
        file.put.run(key, clock(), digestOf(key, entry), entry);
        return;
      } catch (thrown) {
        if (errcodeOf(thrown) !== codes.full || round === evictionRounds) throw thrown;
        events.stored('evicted', Number(file.evict.run().changes));
      }
    }
  }
}

interface OpenFile {
  readonly path: string;
  readonly generation: number;
  readonly database: DatabaseSync;
  readonly find: StatementSync;
  readonly put: StatementSync;
  readonly touch: StatementSync;
  readonly remove: StatementSync;
  readonly evict: StatementSync;
  /** Size of the file. */
  pages(): number;
}

function openWithRetries(path: string, generation: number, maxPages: number): OpenFile {
  for (let tries = 1; ; tries += 1) {
    try {
      return openFile(path, generation, maxPages);
    } catch (thrown) {
      const code = errcodeOf(thrown);
      if ((code !== codes.busy && code !== codes.locked) || tries === openTries) throw thrown;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, openPauseMs);
    }
  }
}

function openFile(path: string, generation: number, maxPages: number): OpenFile {
  const database = new DatabaseSync(path, { timeout: busyMs });
  try {
    database.exec(`
      PRAGMA page_size = ${pageBytes};
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = NORMAL;
      PRAGMA journal_size_limit = ${journalBytes};
      CREATE TABLE IF NOT EXISTS replies (
        key TEXT NOT NULL UNIQUE, used INTEGER NOT NULL, digest TEXT NOT NULL, entry TEXT NOT NULL);
      CREATE INDEX IF NOT EXISTS replies_by_use ON replies (used);
    `);
    const numberOf = (pragma: string): number => Number(database.prepare(`PRAGMA ${pragma}`).get()?.[pragma]);
    const evict = database.prepare(
      `DELETE FROM replies WHERE rowid IN (SELECT rowid FROM replies ORDER BY used
         LIMIT max(1, (SELECT count(*) FROM replies) / ${evictedShare}))`,
    );
    // The bound may be smaller than that of the one who wrote the file.
    if (numberOf('page_count') > maxPages) {
      while (numberOf('page_count') - numberOf('freelist_count') > maxPages * 0.9 && evict.run().changes > 0);
      database.exec('VACUUM');
    }
    database.exec(`PRAGMA max_page_count = ${maxPages}`);
    return {
      path,
      generation,
      database,
      evict,
      find: database.prepare('SELECT used, digest, entry FROM replies WHERE key = ?'),
      put: database.prepare('INSERT OR REPLACE INTO replies (key, used, digest, entry) VALUES (?, ?, ?, ?)'),
      touch: database.prepare('UPDATE replies SET used = ? WHERE key = ?'),
      remove: database.prepare('DELETE FROM replies WHERE key = ?'),
      pages: () => numberOf('page_count'),
    };
  } catch (thrown) {
    database.close();
    throw thrown;
  }
}

/** Undefined for an entry that is not as it was written. */
function replyOf(key: string, row: Readonly<Record<string, unknown>>): StoredReply | undefined {
  const { digest, entry } = row;
  if (typeof entry !== 'string' || digest !== digestOf(key, entry)) return undefined;
  // The digest has just shown that this is what `set` wrote.
  const [text, replyId] = JSON.parse(entry) as [string, string];
  return { text, replyId };
}

function digestOf(key: string, entry: string): string {
  return createHash('sha256').update(`${key}\n${entry}`).digest('base64url').slice(0, 22);
}

function errcodeOf(thrown: unknown): number | undefined {
  if (!(thrown instanceof Error) || !('errcode' in thrown) || typeof thrown.errcode !== 'number') return undefined;
  // Extended codes have the kind in their low byte.
  return thrown.errcode & 0xff;
}

function isDamaged(thrown: unknown): boolean {
  const code = errcodeOf(thrown);
  return code === codes.corrupt || code === codes.notADatabase;
}
