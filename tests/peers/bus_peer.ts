/**
 * A process on the bus for tests. It executes calls, one JSON line each on
 * stdin, and prints results and events as JSON lines. It ends when stdin ends.
 *
 * @module
 */

import { DatabaseSync } from "node:sqlite";
import {
  type Json,
  type Message,
  type MessageBus,
  openBus,
  type OpenBusOptions,
  type PollOptions,
  type Publication,
  type SessionChange,
  type SessionStart,
  type SubscribeOptions,
  type Subscription,
} from "../../mod.ts";
import { TextLineStream } from "../text_lines.ts";
import { coordination } from "./coordination.ts";

let bus!: MessageBus;
let skewMs = 0;
const subscriptions = new Map<string, Subscription>();
const databases = new Map<string, DatabaseSync>();

function print(line: unknown): void {
  const bytes = new TextEncoder().encode(`${JSON.stringify(line)}\n`);
  for (let done = 0; done < bytes.length;) {
    done += Deno.stdout.writeSync(bytes.subarray(done));
  }
}

interface Subscribing extends SubscribeOptions {
  readonly name: string;
  readonly channels: string[] | string | null;
  readonly ack?: boolean;
  readonly paused?: boolean;
}

async function iterate(
  subscription: Subscription,
  { name, ack }: Subscribing,
): Promise<void> {
  try {
    for await (const message of subscription) {
      print({ event: name, value: message });
      if (ack) await subscription.ack(message);
    }
    print({ event: `${name}.ended` });
  } catch (error) {
    print({ event: `${name}.error`, value: fieldsOf(error) });
  }
}

function fieldsOf(error: unknown): unknown {
  const { name, message, cause: _, ...fields } = error as Error & {
    cause: unknown;
  };
  return { type: name, message, fields };
}

// deno-lint-ignore no-explicit-any
type Act = (args: any) => unknown;

const acts: Record<string, Act> = {
  async open(options: OpenBusOptions) {
    bus = await openBus({
      ...options,
      now: () => Date.now() + skewMs,
      warn: (message) => print({ event: "warning", value: message }),
    });
    return bus.session;
  },
  skew(ms: number) {
    skewMs = ms;
  },
  async publish({ channel, payload, ...options }: Publication) {
    return (await bus.publish(channel, payload, options)).id;
  },
  publishMany: (publications: Publication[]) => bus.publishMany(publications),
  async flood(
    args: { channel: string; first: number; count: number; apart?: boolean },
  ) {
    const ids: string[] = [];
    const one = async (i: number) => {
      const { id } = await bus.publish(args.channel, args.first + i);
      ids.push(id);
    };
    for (let i = 0; i < args.count; i++) {
      if (args.apart) await one(i);
      else one(i);
    }
    while (ids.length < args.count) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    return ids;
  },
  async poll(
    { channels, ...options }: { channels: string[] | null } & PollOptions,
  ) {
    return (await bus.poll(channels, options)).messages;
  },
  async subscribe(args: Subscribing) {
    const { name, channels, ack: _ack, paused, ...options } = args;
    const subscription = bus.subscribe(channels, {
      ...options,
      onLost: (count) => print({ event: `${name}.lost`, value: count }),
    });
    subscriptions.set(name, subscription);
    await subscription.ready;
    if (!paused) iterate(subscription, args);
    return subscription.mode;
  },
  async next(name: string) {
    const { done, value } = await subscriptions.get(name)!.next();
    return done ? null : value;
  },
  ack: (args: { name: string; message: Message | string }) =>
    subscriptions.get(args.name)!.ack(args.message),
  unsubscribe: (name: string) => subscriptions.get(name)!.close(),
  /** Publishes each message of a channel to another channel. */
  async echo(args: { from: string; to: string }) {
    const subscription = bus.subscribe(args.from);
    subscriptions.set(`echo ${args.from}`, subscription);
    await subscription.ready;
    (async () => {
      for await (const { payload } of subscription) {
        await bus.publish(args.to, payload);
      }
    })();
  },
  register: (known: Partial<SessionStart>) => bus.sessions.register(known),
  update: (change: SessionChange) => bus.sessions.update(change),
  heartbeat: () => bus.sessions.heartbeat(),
  end: (id?: string) => bus.sessions.end(id ?? undefined),
  session: () => bus.session,
  purge: () => bus.purge(),
  close: () => bus.close(),
  /** Runs SQL on a separate connection, as another program does. */
  sql(args: { path: string; sql: string; name?: string }) {
    const name = args.name ?? "sql";
    const database = databases.get(name) ??
      new DatabaseSync(args.path, {
        enableForeignKeyConstraints: false,
        timeout: 5_000,
      });
    databases.set(name, database);
    database.exec(args.sql);
  },
  closeSql(name: string) {
    databases.get(name)?.close();
    databases.delete(name);
  },
  /** Opens and closes the database, as short-lived programs do. */
  comeAndGo(args: { path: string; times: number }) {
    for (let i = 0; i < args.times; i++) {
      const database = new DatabaseSync(args.path, { timeout: 5_000 });
      database.prepare("SELECT count(*) FROM session_registry").get();
      database.close();
    }
  },
  /** Publishes until a publish rejects, at most `max` times. */
  async fill(args: { channel: string; payload: Json; max: number }) {
    for (let count = 0; count < args.max; count++) {
      try {
        await bus.publish(args.channel, args.payload);
      } catch (error) {
        return { count, error: fieldsOf(error) };
      }
    }
    return { count: args.max };
  },
  async remount(args: { folder: string; options: string }) {
    const { success } = await new Deno.Command("mount", {
      args: ["-o", `remount,${args.options}`, args.folder],
    }).output();
    if (!success) throw new Error(`Cannot remount ${args.folder}.`);
  },
  ping: () => true,
  /**
   * Makes the runtime open the files of its signal handlers, which it does
   * once.
   */
  awaitSignals() {
    const ignore = () => {};
    Deno.addSignalListener("SIGUSR2", ignore);
    Deno.removeSignalListener("SIGUSR2", ignore);
  },
  location: () => bus.location,
  mode: (name: string) => subscriptions.get(name)!.mode,
  write: (args: { path: string; text: string }) =>
    Deno.writeTextFileSync(args.path, args.text),
};

Object.assign(acts, coordination(() => bus, print));

async function perform(line: string): Promise<void> {
  const { id, act, args } = JSON.parse(line);
  try {
    print({ id, result: await acts[act](args) ?? null });
  } catch (error) {
    print({ id, error: fieldsOf(error) });
  }
}

const lines = Deno.stdin.readable
  .pipeThrough(new TextDecoderStream())
  .pipeThrough(new TextLineStream());
for await (const line of lines) perform(line);
await bus?.close();
for (const database of databases.values()) database.close();
