/**
 * SQLite passes the suite with stores that are opened for one operation, as hooks and
 * `mbus send` open them.
 */

import { conformance } from "../../testing.ts";
import { ONE_SHOT } from "./sqlite.ts";

conformance(Deno.test, ONE_SHOT);
