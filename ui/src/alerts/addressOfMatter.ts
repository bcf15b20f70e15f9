import { incidentAddress } from "../state/route";
import type { Matter } from "./matters";

/** Where a matter is opened: its incident, else the device it is about. */
export function addressOfMatter(one: Matter): string {
  return one.incident === null
    ? `/devices/${encodeURIComponent(one.device)}`
    : incidentAddress(one.incident);
}
