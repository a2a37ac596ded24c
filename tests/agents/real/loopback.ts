/**
 * A network for a program that has loopback only.
 *
 * With permission for network namespaces, the program gets one and cannot reach
 * other machines. The model server stays outside and listens on a socket file.
 * A gate inside (gate.ts) forwards every connection to it.
 *
 * Without namespaces, the server listens on a port, and the variables of a
 * missing proxy block other connections. `MBUS_TEST_AGENTS_NAMESPACE=no`
 * selects this.
 *
 * @module
 */

import { ModelServer, type Script } from "./model_server.ts";

/** The port of the gate. All ports of a new namespace are free. */
const GATE_PORT = 8080;
const GATE = new URL("./gate.ts", import.meta.url).pathname;
const NOWHERE = "http://127.0.0.1:9";

/** A model server, and the start of programs that use it. */
export interface Loopback {
  /** The server. */
  readonly server: ModelServer;
  /** The server's URL for the program, without a path. */
  readonly url: string;
  /** The prefix of the program's command. */
  readonly prefix: readonly string[];
  /** Additional environment variables of the program. */
  readonly env: Readonly<Record<string, string>>;
}

/**
 * Starts a model server on loopback.
 *
 * @param folder The folder of the socket file.
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
