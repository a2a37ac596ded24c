/**
 * File watches. All of them begin here.
 *
 * For each event the runtime's watcher opens the event's path in this process, and
 * closes it. Closing any descriptor of a file drops all POSIX locks that the process
 * holds on it, including SQLite's on the database and its `-shm`. Other processes then
 * write at the same time, which destroys the database. So a watch on those files or
 * on their folder is refused. The `-wal` file may be watched, because SQLite takes no
 * locks on it.
 *
 * @module
 */

const DATABASE = "messaging.db";

// The files that SQLite locks.
const LOCKED = /(^|[/\\])messaging\.db(-shm|-journal)?$/;

/**
 * Watches one file, or a folder and its direct entries.
 *
 * @throws {Error} If the watch would drop SQLite's locks, or is unavailable.
 */
export function watchPath(path: string): Deno.FsWatcher {
  const real = realPath(path);
  if (LOCKED.test(real) || exists(`${real}/${DATABASE}`)) {
    throw new Error(
      `Cannot watch ${path}: that would drop SQLite's locks on ${DATABASE}. ` +
        `Watch only files in the folder of the bells.`,
    );
  }
  return Deno.watchFs(path, { recursive: false });
}

/** Returns the real path of a path, or the path itself if it does not exist. */
function realPath(path: string): string {
  try {
    return Deno.realPathSync(path);
  } catch (error) {
    // The watch throws for a missing path.
    if (error instanceof Deno.errors.NotFound) return path;
    throw error;
  }
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    // The path is missing, or its parent is a file.
    return false;
  }
}
