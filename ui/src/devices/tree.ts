/** Devices as rows of a tree: a parent before its children, sites apart. Pure. */

import type { Device } from "../api/types";

export interface TreeRow {
  device: Device;
  depth: number;
}

export function treeRows(devices: readonly Device[]): TreeRow[] {
  const known = new Set(devices.map((device) => device.id));
  const children = new Map<string | null, Device[]>();
  for (const device of devices) {
    // A parent that is not in the list leaves its children at the top rather than lost.
    const parent = device.parent !== null && known.has(device.parent) ? device.parent : null;
    const siblings = children.get(parent) ?? [];
    siblings.push(device);
    children.set(parent, siblings);
  }
  const rows: TreeRow[] = [];
  const seen = new Set<string>();
  const walk = (parent: string | null, depth: number) => {
    for (const device of children.get(parent) ?? []) {
      if (seen.has(device.id)) continue;
      seen.add(device.id);
      rows.push({ device, depth });
      walk(device.id, depth + 1);
    }
  };
  walk(null, 0);
  // Devices that name each other as parents have no top: they still are shown.
  for (const device of devices) if (!seen.has(device.id)) rows.push({ device, depth: 0 });
  return rows;
}

const FIRST_CHOICE = [
  "active_power_w",
  "production_power_w",
  "dc_power_w",
  "energy_import_wh",
  "energy_production_wh",
  "temperature_c",
];

/** The quantity that says most about a device. */
export function mainValue(device: Device): Device["quantities"][number] | null {
  for (const name of FIRST_CHOICE) {
    const found = device.quantities.find(
      (quantity) => quantity.name === name && quantity.value !== null,
    );
    if (found) return found;
  }
  return device.quantities.find((quantity) => quantity.value !== null) ?? null;
}

export const KIND_WORDS: Record<string, string> = {
  meter: "meter",
  inverter: "inverter",
  panel: "solar panel",
  battery: "battery",
  heat_pump: "heat pump",
  plug: "plug",
  sensor: "sensor",
};
