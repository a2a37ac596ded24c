/**
 * A disk that fails: each call of a session succeeds or rejects with a typed
 * error, no acknowledged message is lost, and the session recovers with the
 * disk.
 */

import { Home } from "../fixture.ts";
import {
  canInject,
  type Fault,
  Injection,
  unlessInjects,
} from "./faults_injection.ts";
import { assertKept, assertRefused, Worker } from "./faults_scenario.ts";
import { LONG } from "./seed.ts";

const OPTIONS = { pollIntervalMs: 20, busyTimeoutMs: 500 };

interface DiskFault extends Fault {
  readonly name: string;
  readonly synchronous?: "full";
  readonly fault: string;
}

const FAULTS: readonly DiskFault[] = [
  { name: "is full", calls: "pwrite64", error: "ENOSPC", fault: "full" },
  { name: "fails to write", calls: "pwrite64", error: "EIO", fault: "io" },
  { name: "is over quota", calls: "pwrite64", error: "EDQUOT", fault: "io" },
  {
    name: "is remounted read-only",
    calls: "pwrite64,ftruncate,fallocate",
    error: "EROFS",
    fault: "io",
  },
  {
    name: "fails to flush",
    calls: "fsync,fdatasync",
    error: "EIO",
    synchronous: "full",
    fault: "io",
  },
];

for (const { name, fault, synchronous, ...injected } of FAULTS) {
  Deno.test({
    name: `a session goes on after its disk ${name}${unlessInjects}`,
    ignore: !canInject,
    async fn() {
      await using home = new Home();
      const options = { ...OPTIONS, synchronous };
      const worker = new Worker(await home.start(options), "worker");
      const other = new Worker(await home.start(OPTIONS), "other");
      await worker.read();
      await other.read();
      await worker.recover();
      {
        await using _fault = await Injection.into(worker.peer.pid, injected);
        assertRefused(await worker.work(), fault, "BusyError");
        // A process without the fault continues.
        await other.recover();
      }
      await worker.recover();
      await other.recover();
      await assertKept(home, worker, other);
      await worker.assertRead();
      await other.assertRead();
    },
  });
}

const POSITIONS = LONG
  ? Array.from({ length: 60 }, (_, i) => String(i + 1))
  : ["1", "4", "2+3"];

for (const { name, fault, synchronous, ...injected } of FAULTS) {
  Deno.test({
    name:
      `a session recovers when its disk ${name} at some calls${unlessInjects}`,
    ignore: !canInject,
    async fn() {
      await using home = new Home();
      const options = { ...OPTIONS, synchronous };
      const worker = new Worker(await home.start(options), "worker");
      await worker.read();
      let refused = 0;
      for (const when of POSITIONS) {
        await using _fault = await Injection.into(worker.peer.pid, {
          ...injected,
          when,
        });
        const refusals = await worker.work();
        if (refusals.length > 0) assertRefused(refusals, fault, "BusyError");
        refused += refusals.length;
      }
      await worker.recover();
      await worker.assertRead();
      await assertKept(home, worker);
      if (LONG) {
        console.log(
          `${name}: ${POSITIONS.length} positions, ${refused} refused`,
        );
      }
    },
  });
}
