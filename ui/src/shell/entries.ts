/** The entries of the navigation: one per recipe in use that has a page, then what every site has. */

import { computed } from "@preact/signals";
import type { FunctionComponent } from "preact";

import type { Site } from "../api/types";
import { sites } from "../state/catalogue";
import { pagePath } from "../state/route";
import {
  AlertsIcon,
  DevicesIcon,
  GridIcon,
  HealthIcon,
  HeatPumpIcon,
  HomeIcon,
  PlantIcon,
  SolarIcon,
} from "./icons";

export interface Entry {
  path: string;
  title: string;
  Icon: FunctionComponent;
}

/** Recipes that have a page, in the order of the rail. */
const RECIPE_ENTRIES: readonly (Entry & { recipe: string })[] = [
  { recipe: "home", path: "/home", title: "Home", Icon: HomeIcon },
  { recipe: "solar", path: "/solar", title: "Solar", Icon: SolarIcon },
  { recipe: "plant", path: "/plant", title: "Plant", Icon: PlantIcon },
  { recipe: "heatpump", path: "/heatpump", title: "Heat pump", Icon: HeatPumpIcon },
  { recipe: "grid", path: "/grid", title: "Grid", Icon: GridIcon },
];

export const SITE_ENTRIES: readonly Entry[] = [
  { path: "/devices", title: "Devices", Icon: DevicesIcon },
  { path: "/alerts", title: "Alerts", Icon: AlertsIcon },
  { path: "/health", title: "Health", Icon: HealthIcon },
];

/** Before the sites are known, every recipe's page is offered: an address must not lead nowhere. */
export function recipeEntries(known: readonly Site[] | null): readonly Entry[] {
  if (known === null || known.length === 0) return RECIPE_ENTRIES;
  const inUse = new Set(known.flatMap((site) => site.recipes));
  return RECIPE_ENTRIES.filter((entry) => inUse.has(entry.recipe));
}

/** The page that is shown; below an incident that a link opened, the one that lists it. */
export const shownPath = computed(() => {
  if (pagePath.value !== null) return pagePath.value;
  const hasSolar = recipeEntries(sites.value).some((entry) => entry.path === "/solar");
  return hasSolar ? "/solar" : "/alerts";
});
