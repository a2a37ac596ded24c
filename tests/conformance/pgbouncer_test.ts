/**
 * PostgreSQL passes the suite through PgBouncer in session mode.
 */

import { conformance } from "../../testing.ts";
import { availability, PgBouncer } from "../postgres/pgbouncer.ts";
import { serverOfFile } from "../postgres/server.ts";
import { postgresStore } from "./postgres.ts";

const server = await serverOfFile();
const pooler = await PgBouncer.ofFile(server, "session");
const ignore = availability.ignore ? availability.reason : undefined;

conformance(Deno.test, postgresStore("pgbouncer", pooler, ignore));
