import { useMemo } from "preact/hooks";

import { devices } from "../state/catalogue";
import { type Choice, quantityChoices } from "./ruleWords";

export interface KnownNames {
  deviceOf: (id: string) => string;
  quantityOf: (name: string) => Choice | undefined;
  quantities: Choice[];
}

/** The names of devices and quantities that rules speak of. */
export function useNames(): KnownNames {
  const all = devices.value;
  return useMemo(() => {
    const byId = new Map((all ?? []).map((one) => [one.id, one.name]));
    const quantities = quantityChoices(all ?? []);
    const byName = new Map(quantities.map((one) => [one.name, one]));
    return {
      deviceOf: (id: string) => byId.get(id) ?? id,
      quantityOf: (name: string) => byName.get(name),
      quantities,
    };
  }, [all]);
}
