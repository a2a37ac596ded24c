/** A bus on a network file system is refused, however it is opened. */

import assert from "node:assert/strict";
import { isNetworkFileSystem, mountedType } from "../lib/sqlite/file_system.ts";
import { openBus } from "../mod.ts";
import { Mbus } from "./cli/mbus.ts";
import { COMMANDS, contents } from "./cli/opening_commands.ts";
import { canMount, Home } from "./fixture.ts";
import { works } from "./probe.ts";

/** A folder that is mounted through FUSE at another path. */
class FuseMount implements Disposable {
  readonly path: string;

  constructor(local: string, path: string) {
    this.path = path;
    Deno.mkdirSync(path, { mode: 0o700 });
    assert.ok(works("bindfs", local, path));
  }

  [Symbol.dispose](): void {
    assert.ok(works("umount", this.path));
  }
}

function canMountFuse(): boolean {
  const folder = Deno.makeTempDirSync({ prefix: "mbus-fuse-" });
  try {
    return works("bindfs", folder, folder) && works("umount", folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

const canFuse = Deno.build.os === "linux" && works("bindfs", "--version") &&
  canMountFuse();
const unlessFuse = canFuse ? "" : " (ignored: needs bindfs and /dev/fuse)";
const unlessMounts = canMount ? "" : " (ignored: needs unshare and root)";

const REFUSED =
  /Cannot use [^\n]+ network or shared file system \(fuse\)[^\n]+ Choose a folder on a local disk with MBUS_HOME\./;
const WARNED = /file system \(fuse\), where .+ can be lost.+SIGBUS/;

for (const state of ["an existing", "a new"]) {
  Deno.test({
    name: `every way in refuses ${state} bus on FUSE${unlessFuse}`,
    ignore: !canFuse,
    async fn() {
      await using mbus = new Mbus();
      const local = `${mbus.folder}/local`;
      Deno.mkdirSync(local, { mode: 0o700 });
      const env = { MBUS_HOME: `${local}/bus` };
      if (state === "an existing") {
        await mbus.done(["send", "state", "1"], { env });
      }
      using mount = new FuseMount(local, `${mbus.folder}/mounted`);
      const before = contents(`${mbus.folder}/local`);
      const home = `${mount.path}/bus`;
      for (const [way, args, input] of COMMANDS) {
        const { code, stdout, stderr } = await mbus.run(args, {
          input,
          env: { MBUS_HOME: home },
        });
        if (way === "hook") {
          // The agent goes on, and the log has the reason.
          assert.deepEqual([code, stdout, stderr], [0, "", ""]);
          assert.match(Deno.readTextFileSync(`${home}/hooks.log`), REFUSED);
          if (state === "a new") Deno.removeSync(home, { recursive: true });
          continue;
        }
        assert.equal(code, 3, `${way}: ${stdout}${stderr}`);
        if (way === "doctor") {
          assert.match(stdout, /^fail +file system .+\(fuse\)/m);
        } else assert.match(stderr, REFUSED, way);
      }
      for (const readOnly of [false, true]) {
        await assert.rejects(openBus({ home, readOnly }), {
          fault: "network-file-system",
          message: REFUSED,
        });
      }
      assert.deepEqual(contents(`${mbus.folder}/local`), before);
    },
  });
}

Deno.test({
  name: `the fast path of a hook refuses a bus on FUSE${unlessFuse}`,
  ignore: !canFuse,
  async fn() {
    await using mbus = new Mbus();
    const local = `${mbus.folder}/local`;
    Deno.mkdirSync(local, { mode: 0o700 });
    const file = Deno.realPathSync(mbus.folder) + "/project/a.txt";
    Deno.writeTextFileSync(file, "a");
    const input = JSON.stringify({
      session_id: "11111111-2222-3333-4444-555555555555",
      cwd: `${mbus.folder}/project`,
      hook_event_name: "PreToolUse",
      tool_name: "Write",
      tool_input: { file_path: file, content: "x" },
    });
    const edit = async (home: string) =>
      assert.deepEqual(
        await mbus.run(["hook", "claude"], {
          input,
          env: { MBUS_HOME: home, MBUS_SESSION: undefined },
        }),
        { code: 0, stdout: "", stderr: "" },
      );
    await edit(`${local}/bus`);
    const once = contents(`${local}/bus/db`);
    // On the local disk the fast path renews the lease.
    await edit(`${local}/bus`);
    const before = contents(`${local}/bus/db`);
    assert.notDeepEqual(before, once);
    using mount = new FuseMount(local, `${mbus.folder}/mounted`);
    await edit(`${mount.path}/bus`);
    assert.match(Deno.readTextFileSync(`${local}/bus/hooks.log`), REFUSED);
    assert.deepEqual(contents(`${local}/bus/db`), before);
  },
});

Deno.test({
  name:
    `a bus is refused if any of its folders, or its file, is on FUSE${unlessFuse}`,
  ignore: !canFuse,
  async fn() {
    for (const part of ["db", "bells"]) {
      await using home = new Home();
      await (await home.open()).close();
      Deno.renameSync(`${home.path}/${part}`, `${home.root}/part`);
      using _mount = new FuseMount(
        `${home.root}/part`,
        `${home.path}/${part}`,
      );
      await assert.rejects(home.open(), { message: REFUSED }, part);
    }
    await using home = new Home();
    await (await home.open()).close();
    using mount = new FuseMount(home.path, `${home.root}/mounted`);
    // As a container gets a single file of its host.
    const script =
      `mount --bind "$1/db/messaging.db" "$2" && shift 2 && exec "$@"`;
    const peer = home.spawn({
      prefix: [
        ...["unshare", "-m", "sh", "-c", script, "sh"],
        ...[mount.path, home.database],
      ],
    });
    await assert.rejects(peer.call("open", { home: home.path }), {
      message: REFUSED,
    });
  },
});

Deno.test({
  name:
    `a program without permission for the mount table refuses FUSE${unlessFuse}`,
  ignore: !canFuse,
  async fn() {
    await using home = new Home();
    await (await home.open()).close();
    using mount = new FuseMount(home.path, `${home.root}/mounted`);
    const mod = new URL("../mod.ts", import.meta.url).href;
    const script = `${home.root}/script.ts`;
    Deno.writeTextFileSync(
      script,
      `import { openBus } from "${mod}";
       for (const home of Deno.args) {
         await openBus({ home }).then((bus) => bus.close())
           .then(() => console.log("opened"), (error) => console.log(error.fault));
       }`,
    );
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "--quiet", "--cached-only", "--no-prompt"],
        ...["--allow-read", "--allow-write", "--allow-env", "--allow-sys"],
        ...[script, home.path, mount.path],
      ],
    }).output();
    const text = new TextDecoder();
    assert.equal(
      text.decode(stdout),
      "opened\nnetwork-file-system\n",
      text.decode(stderr),
    );
  },
});

Deno.test({
  name:
    `MBUS_ALLOW_NETWORK_FS=1 opens a bus on FUSE with one warning${unlessFuse}`,
  ignore: !canFuse,
  async fn() {
    await using mbus = new Mbus();
    const local = `${mbus.folder}/local`;
    Deno.mkdirSync(local, { mode: 0o700 });
    using mount = new FuseMount(local, `${mbus.folder}/mounted`);
    const env = { MBUS_HOME: `${mount.path}/bus`, MBUS_ALLOW_NETWORK_FS: "1" };
    const { code, stderr } = await mbus.run(["send", "state", "1"], { env });
    assert.equal(code, 0, stderr);
    assert.match(stderr, WARNED);
    assert.equal(stderr.trimEnd().split("\n").length, 1);
    const doctor = await mbus.run(["doctor"], { env });
    assert.equal(doctor.code, 0);
    assert.match(doctor.stdout, /^warn +file system .+MBUS_ALLOW_NETWORK_FS/m);
    for (const value of ["", "0", "true"]) {
      const refused = await mbus.run(["send", "state", "1"], {
        env: { ...env, MBUS_ALLOW_NETWORK_FS: value },
      });
      assert.match(refused.stderr, REFUSED, value);
    }
    Deno.env.set("MBUS_ALLOW_NETWORK_FS", "1");
    try {
      await using home = new Home();
      const at = { home: `${mount.path}/bus` };
      await home.open(at);
      await home.open(at);
      assert.equal(home.warnings.length, 1);
      assert.match(home.warnings[0], WARNED);
    } finally {
      Deno.env.delete("MBUS_ALLOW_NETWORK_FS");
    }
  },
});

Deno.test({
  name: `tmpfs and overlay hold a bus${unlessMounts}`,
  ignore: !canMount,
  async fn() {
    const mounts = [
      'mount -t tmpfs -o mode=700 none "$f"',
      'mount -t tmpfs -o mode=700 none "$f" && mkdir "$f/l" "$f/u" "$f/w" && ' +
      'mkdir -m 700 "$f/o" && f="$f/o" && ' +
      'mount -t overlay -o "lowerdir=$f/../l,upperdir=$f/../u,workdir=$f/../w" none "$f"',
    ];
    for (const [at, mount] of mounts.entries()) {
      await using home = new Home();
      Deno.mkdirSync(home.path, { mode: 0o700 });
      const script = `f=$1; shift; ${mount} && exec "$@"`;
      const peer = home.spawn({
        prefix: ["unshare", "-m", "sh", "-c", script, "sh", home.path],
      });
      const bus = `${home.path}${at === 1 ? "/o" : ""}/bus`;
      // The second open finds an existing bus.
      for (let i = 0; i < 2; i++) {
        await peer.call("open", { home: bus });
        await peer.call("publish", { channel: "a", payload: 1 });
      }
    }
  },
});

// Lines of real machines.
const MOUNTS = `\
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
40 27 0:40 /@home /home rw,noatime shared:30 - btrfs /dev/nvme0n1p2 rw,subvol=/@home
41 27 0:53 / /mnt/share\\040of\\040ann rw,relatime - nfs4 server:/export rw,vers=4.2
42 40 0:60 / /home/ann/vm rw - virtiofs mount0 rw
43 41 0:61 / /mnt/share\\040of\\040ann/local rw - tmpfs none rw
44 27 0:62 / /data rw - zfs pool/data rw,xattr
45 27 0:63 / /win rw - 9p C:\\134 rw,dirsync
46 42 0:64 / /home/ann/vm rw - overlay none rw
47 27 259:4 / /ntfs rw - fuseblk /dev/sda1 rw
`;

Deno.test("mountedType() returns the type of the device's mount", () => {
  const device = (major: number, minor: number) =>
    minor % 256 + major * 2 ** 8 + Math.floor(minor / 256) * 2 ** 20;
  const cases: [string, number, string][] = [
    ["/home/ann/bus", device(254, 0), "ext4"],
    ["/mnt/share of ann/bus", device(0, 53), "nfs4"],
    // The device decides, even where another mount point is nearer.
    ["/elsewhere", device(0, 60), "virtiofs"],
    ["/home/ann/vm", device(0, 64), "overlay"],
    ["/data/bus", device(0, 62), "zfs"],
    ["/win/bus", device(0, 63), "9p"],
    ["/ntfs/bus", device(259, 4), "fuseblk"],
    // A subvolume's device is not in the table.
    ["/home/ann/bus", device(0, 41), "btrfs"],
    ["/home", device(0, 1_000), "btrfs"],
    ["/homes/bus", device(0, 1_000), "ext4"],
    ["/mnt/share of ann/bus", device(0, 1_000), "nfs4"],
    ["/mnt/share of ann/local/bus", device(0, 1_000), "tmpfs"],
    // The later of two mounts covers the earlier one.
    ["/home/ann/vm/bus", device(0, 1_000), "overlay"],
  ];
  for (const [path, dev, type] of cases) {
    assert.equal(mountedType(MOUNTS, path, dev), type, `${path} ${dev}`);
  }
  assert.equal(mountedType("", "/a", device(0, 5)), undefined);
});

Deno.test("isNetworkFileSystem() is true only for network and shared types", () => {
  const network =
    "nfs nfs4 cifs smb3 smbfs afs ceph glusterfs lustre 9p virtiofs vboxsf vmhgfs prl_fs davfs fuse fuse.sshfs fuse.rclone fuse.vmhgfs-fuse fuse.glusterfs grpcfuse osxfs fakeowner";
  for (const type of network.split(" ")) {
    assert.equal(isNetworkFileSystem(type), true, type);
  }
  const local =
    "ext4 xfs btrfs zfs f2fs bcachefs overlay aufs tmpfs ramfs ecryptfs fuseblk ntfs3 apfs ext2 vfat";
  for (const type of local.split(" ")) {
    assert.equal(isNetworkFileSystem(type), false, type);
  }
});
