/**
 * The type of a file system, and whether a bus may be on it.
 *
 * Several machines or virtual machines can write to a network or shared file system,
 * and SQLite's locks and shared memory do not hold between them.
 *
 * On Linux each such file system has an anonymous device, with the major number 0. A
 * disk has another one. So for a disk nothing but the device number is read. Other
 * systems are not checked.
 *
 * @module
 */

import { StoreError } from "../model/errors.ts";

// FUSE is a whole kind, because a file system in a program may be on any machine. A
// disk behind FUSE has the type fuseblk and the device of the disk.
const NETWORK_TYPES =
  /^(nfs\d?|cifs|smb\d?|smbfs|k?afs|coda|ncpfs|ceph|glusterfs|lustre|gpfs|beegfs|orangefs|9p|virtiofs|vboxsf|vmhgfs|prl_fs|davfs\d?|fuse(\..+)?|grpcfuse|osxfs|fakeowner|drvfs)$/;

// The numbers of statfs(2), for a process that may not read the mount table.
const NETWORK_NUMBERS: Readonly<Record<number, string>> = {
  0x6969: "nfs",
  0xff534d42: "cifs",
  0xfe534d42: "smb2",
  0x517b: "smb",
  0x5346414f: "afs",
  0x6b414653: "afs",
  0x73757245: "coda",
  0x564c: "ncpfs",
  0x00c36400: "ceph",
  0x0bd00bd0: "lustre",
  0x47504653: "gpfs",
  0x19830326: "beegfs",
  0x20030528: "orangefs",
  0x01021997: "9p",
  0x786f4256: "vboxsf",
  0xbacbacbc: "vmhgfs",
  0x7c7c6673: "prl_fs",
  0x65735546: "fuse",
};

/** Variable of the environment that permits a network file system with "1". */
export const ALLOW_NETWORK_FS = "MBUS_ALLOW_NETWORK_FS";

/** Returns whether SQLite's locks may not hold on a type of file system. */
export function isNetworkFileSystem(type: string): boolean {
  return NETWORK_TYPES.test(type);
}

/** Returns whether the user permits a network file system. */
export function isNetworkFileSystemAllowed(): boolean {
  return Deno.env.get(ALLOW_NETWORK_FS) === "1";
}

/**
 * Returns the type of the network file system at an existing path; undefined if the
 * file system is local or unknown.
 *
 * @param dev Device number of the path.
 */
export function networkFileSystemAt(
  path: string,
  dev: number,
): string | undefined {
  if (Deno.build.os !== "linux" || !isAnonymous(dev)) return undefined;
  const type = fileSystemOf(path);
  return type !== undefined && isNetworkFileSystem(type) ? type : undefined;
}

/** Throws if a path is on a network file system, and the user permits none. */
export function assertLocalFileSystem(path: string, dev: number): void {
  const type = networkFileSystemAt(path, dev);
  if (type === undefined || isNetworkFileSystemAllowed()) return;
  throw new StoreError(
    "network-file-system",
    path,
    `Cannot use ${path} for the bus: it is on a network or shared file system ` +
      `(${type}), where SQLite's locks do not work. Choose a folder on a local ` +
      `disk with MBUS_HOME.`,
  );
}

/** Returns a warning about a folder on a network file system that is permitted. */
export function networkFileSystemWarning(folder: string): string | undefined {
  const type = networkFileSystemAt(folder, Deno.statSync(folder).dev);
  return type === undefined
    ? undefined
    : `${folder} is on a network or shared file system (${type}), where SQLite's ` +
      `locks do not hold. Acknowledged messages and locks can be lost, the file ` +
      `can be damaged, and programs can end with SIGBUS. Move the bus to a local ` +
      `disk, and unset ${ALLOW_NETWORK_FS}.`;
}

/**
 * Returns the type of the file system at an existing path; undefined if it is
 * unknown. Without permission to read the mount table only network types are known.
 */
export function fileSystemOf(path: string): string | undefined {
  if (Deno.build.os !== "linux") return undefined;
  try {
    const mounts = Deno.readTextFileSync("/proc/self/mountinfo");
    const real = Deno.realPathSync(path);
    return mountedType(mounts, real, Deno.statSync(real).dev);
  } catch {
    // The mount table needs --allow-all.
    return typeByNumber(path);
  }
}

/**
 * Returns the type of a file system by the mount table. The device decides. Parts of
 * some file systems, such as subvolumes of btrfs, have devices that the table lacks,
 * and the longest mount point above the path decides for those.
 *
 * @param mounts Text of `/proc/self/mountinfo`.
 * @param path Real path.
 * @param dev Device number of the path.
 */
export function mountedType(
  mounts: string,
  path: string,
  dev: number,
): string | undefined {
  const device = `${majorOf(dev)}:${minorOf(dev)}`;
  let above: { readonly point: string; readonly type: string } | undefined;
  for (const line of mounts.split("\n")) {
    const [mount, system = ""] = line.split(" - ");
    const [, , mounted, , rawPoint = ""] = mount.split(" ");
    const [type] = system.split(" ");
    if (type === "") continue;
    if (mounted === device) return type;
    const point = rawPoint.replace(
      /\\([0-7]{3})/g,
      (_, octal: string) => String.fromCharCode(parseInt(octal, 8)),
    );
    const isAbove = point === "/" || path === point ||
      path.startsWith(`${point}/`);
    if (isAbove && point.length >= (above?.point.length ?? 0)) {
      above = { point, type };
    }
  }
  return above?.type;
}

/** Returns the type by statfs(2), or undefined if it is not a network file system. */
function typeByNumber(path: string): string | undefined {
  const type = statfs(path)?.type;
  return type === undefined ? undefined : NETWORK_NUMBERS[type % 2 ** 32];
}

/**
 * Returns whether no file can be made at an existing path, because its file system has
 * no free inode. SQLite's error does not tell that from a missing permission.
 */
export function areInodesUsedUp(path: string): boolean {
  const { files = 0, ffree } = statfs(path) ?? {};
  // A file system without a limit reports 0 inodes.
  return files > 0 && ffree === 0;
}

/** Returns the error for a file that needs others beside it, and no inode is free. */
export function inodesError(
  act: string,
  path: string,
  cause: unknown,
): StoreError {
  return new StoreError(
    "full",
    path,
    `Cannot ${act}: the file system of ${path} has no free inode, so no file can ` +
      `be made. Delete files there ("df -i" counts them) and try again.`,
    { cause },
  );
}

interface FileSystemState {
  readonly type: number;
  readonly files: number;
  readonly ffree: number;
}

/** Returns the state of a file system; undefined without permission. */
function statfs(path: string): FileSystemState | undefined {
  try {
    // Not an import, because loading node:fs takes as long as a whole hook.
    return (globalThis as unknown as NodeGlobals).process
      .getBuiltinModule("node:fs").statfsSync(path);
  } catch {
    // This needs --allow-sys.
    return undefined;
  }
}

interface NodeGlobals {
  readonly process: {
    getBuiltinModule(name: "node:fs"): {
      statfsSync(path: string): FileSystemState;
    };
  };
}

// The device numbers of Linux: 12 bits of the major one are between 8 and 24 bits of
// the minor one.
function isAnonymous(dev: number): boolean {
  return majorOf(dev) === 0;
}

function majorOf(dev: number): number {
  return Math.floor(dev / 2 ** 8) % 2 ** 12;
}

function minorOf(dev: number): number {
  return dev % 2 ** 8 + Math.floor(dev / 2 ** 20) * 2 ** 8;
}
