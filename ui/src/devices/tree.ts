/** Devices as rows of a tree: a parent before its children, sites apart. Pure. */

import type { Device } from "../api/types";

export interface TreeRow {
  device: Device;
  depth: number;
}

export function treeRows(devices: readonly Device[]): TreeRow[] {
  return orderTree(
    devices,
    (device) => device.id,
    (device) => device.parent,
  ).map(({ item, depth }) => ({ device: item, depth }));
}

/** Items with their depth, each parent before its children. */
export function orderTree<Item>(
  items: readonly Item[],
  idOf: (item: Item) => string,
  parentOf: (item: Item) => string | null,
): { item: Item; depth: number }[] {
  const known = new Set(items.map(idOf));
  const children = new Map<string | null, Item[]>();
  for (const item of items) {
    // A parent that is not in the list leaves its children at the top rather than lost.
    const named = parentOf(item);
    const parent = named !== null && known.has(named) ? named : null;
    const siblings = children.get(parent) ?? [];
    siblings.push(item);
    children.set(parent, siblings);
  }
  const rows: { item: Item; depth: number }[] = [];
  const seen = new Set<string>();
  const walk = (parent: string | null, depth: number) => {
    for (const item of children.get(parent) ?? []) {
      if (seen.has(idOf(item))) continue;
      seen.add(idOf(item));
      rows.push({ item, depth });
      walk(idOf(item), depth + 1);
    }
  };
  walk(null, 0);
  // Items that name each other as parents have no top: they still are shown.
  for (const item of items) if (!seen.has(idOf(item))) rows.push({ item, depth: 0 });
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
  plant: "plant",
  string: "string",
  inverter: "inverter",
  panel: "solar panel",
  battery: "battery",
  heat_pump: "heat pump",
  plug: "plug",
  sensor: "sensor",
};
