import type { FleetDevice } from "../api/fleet";
import { incidentAddress } from "../state/route";

/** Where a device is opened: its incident, else its own page. */
export function addressOfDevice(one: FleetDevice): string {
  return one.incident === null
    ? `/devices/${encodeURIComponent(one.id)}`
    : incidentAddress(one.incident);
}
