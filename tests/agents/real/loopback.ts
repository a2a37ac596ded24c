/**
 * A network of its own for a program: nothing but loopback.
 *
 * Where this user may make a network namespace, the program gets one, and
 * nothing in it can reach further than this machine. The model server stays
 * outside and listens on a socket file, as files are the same on both sides; a
 * gate inside (gate.ts) hands every connection on to it. Where namespaces are
 * not to be had, the server listens on a port, and a proxy that is not there
 * keeps those programs in that heed one. `MBUS_TEST_AGENTS_NAMESPACE=no` runs
 * them in that way.
 *
 * @module
 */

import { ModelServer, type Script } from "./model_server.ts";

/** The port of the gate; a namespace has all ports for itself. */
const GATE_PORT = 8080;
const GATE = new URL("./gate.ts", import.meta.url).pathname;
const NOWHERE = "http://127.0.0.1:9";

/** A model server and the way to it. */
export interface Loopback {
  /** The server. */
  readonly server: ModelServer;
  /** Its address for the program, without a path. */
  readonly url: string;
  /** What to put before the program's command. */
  readonly prefix: readonly string[];
  /** What to add to the program's environment. */
  readonly env: Readonly<Record<string, string>>;
}

/**
 * Starts a model server that only loopback leads to.
 *
 * @param folder Where to put the socket file.
 */
export function startLoopback(
  script: Script,
  folder: string,
): Loopback {
  if (!canHaveNamespace()) {
    const address = { hostname: "127.0.0.1", port: 0 };
    const server = new ModelServer(script, address);
    return {
      server,
      url: `http://127.0.0.1:${server.port}`,
      prefix: [],
      env: {
        HTTP_PROXY: NOWHERE,
        HTTPS_PROXY: NOWHERE,
        NO_PROXY: "127.0.0.1,localhost",
      },
    };
  }
  const path = `${folder}/model.sock`;
  return {
    server: new ModelServer(script, { path }),
    url: `http://127.0.0.1:${GATE_PORT}`,
    prefix: [
      ...NAMESPACE,
      `ip link set lo up && exec "$@"`,
      "sh",
      Deno.execPath(),
      "run",
      "--no-config",
      "--allow-all",
      "--quiet",
      GATE,
      path,
      String(GATE_PORT),
    ],
    env: {},
  };
}

const NAMESPACE = ["unshare", "--net", "sh", "-c"];

function canHaveNamespace(): boolean {
  if (Deno.env.get("MBUS_TEST_AGENTS_NAMESPACE") === "no") return false;
  const [command, ...args] = NAMESPACE;
  try {
    return new Deno.Command(command, {
      args: [...args, "ip link set lo up"],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).outputSync().success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
