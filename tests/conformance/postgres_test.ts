/**
 * PostgreSQL passes the suite.
 */

import { conformance } from "../../testing.ts";
import { availability, serverOfFile } from "../postgres/server.ts";
import { postgresStore } from "./postgres.ts";

const server = await serverOfFile();
const ignore = availability.ignore ? availability.reason : undefined;

conformance(Deno.test, postgresStore("postgres", server, ignore));
