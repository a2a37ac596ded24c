/**
 * The only place where a file watch begins.
 *
 * For each event the runtime's watcher opens the event's path inside this
 * process, and closes it. Closing any descriptor of a file drops all POSIX locks
 * that the process holds on it: SQLite's own, on its database and `-shm`. Other
 * processes then write as if nobody were there, and the database is destroyed.
 * So a watch on those files, on their folder, or on what lies above it with all
 * below, is refused here, whoever asks. The `-wal` file may be watched: SQLite
 * takes no locks on it.
 *
 * @module
 */

const DATABASE = "messaging.db";

// What SQLite takes locks on.
const LOCKED = /(^|[/\\])messaging\.db(-shm|-journal)?$/;

/**
 * Watches one file, or a folder without what lies below its own entries.
 *
 * @throws {Error} If that would cost SQLite its locks, or no watch can be had.
 */
export function watchPath(path: string): Deno.FsWatcher {
  const real = realPath(path);
  if (LOCKED.test(real) || exists(`${real}/${DATABASE}`)) {
    throw new Error(
      `Cannot watch ${path}: that would drop SQLite's locks on ${DATABASE}`,
    );
  }
  return Deno.watchFs(path, { recursive: false });
}

/** Where a path leads; itself where it leads nowhere. */
function realPath(path: string): string {
  try {
    return Deno.realPathSync(path);
  } catch (error) {
    // What is not there is refused by the watch, in its own words.
    if (error instanceof Deno.errors.NotFound) return path;
    throw error;
  }
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    // It lies in a file, or is not there.
    return false;
  }
}
