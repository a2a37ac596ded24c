/**
 * SQLite passes the suite with the driver that the environment selects.
 */

import { conformance } from "../../testing.ts";
import { SQLITE } from "./sqlite.ts";

conformance(Deno.test, SQLITE);
