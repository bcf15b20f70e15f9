/** Which page an address shows, inside the shell. */

import { useEffect } from "preact/hooks";

import { DevicePage } from "./devices/DevicePage";
import { DevicesPage } from "./devices/DevicesPage";
import { HealthPage } from "./health/HealthPage";
import { HeatPumpPage } from "./heatpump/HeatPumpPage";
import { HomePage } from "./home/HomePage";
import { IncidentDrawer } from "./incidents/IncidentDrawer";
import { Link } from "./parts/Link";
import { later } from "./parts/later";
import { PlantPage } from "./plant/PlantPage";
import { recipeEntries, shownPath, SITE_ENTRIES } from "./shell/entries";
import { Keys } from "./shell/Keys";
import { PageHead } from "./shell/PageHead";
import { Rail } from "./shell/Rail";
import { SolarPage } from "./solar/SolarPage";
import { sites } from "./state/catalogue";
import { decoded, navigate, openedIncident, path } from "./state/route";

const GridPage = later(async () => (await import("./grid/GridPage")).GridPage, 420);
const AlertsPage = later(async () => (await import("./alerts/AlertsPage")).AlertsPage, 240);

export function App() {
  useHomeAddress();
  return (
    <>
      <a class="skip" href="#content">
        Skip to the content
      </a>
      <Rail />
      <main id="content" tabIndex={-1}>
        <Page />
      </main>
      <IncidentDrawer />
      <Keys />
    </>
  );
}

/** "/" is the first page's address; it becomes its full one, so that a link shows the same. */
function useHomeAddress(): void {
  const first = recipeEntries(sites.value)[0]?.path ?? "/devices";
  const isRoot = path.value === "/" && sites.value !== null;
  useEffect(() => {
    if (isRoot) navigate(first + location.search, { replace: true });
  }, [isRoot, first]);
}

function Page() {
  const at = shownPath.value.replace(/\/+$/, "") || "/";
  const title = openedIncident.value === null ? titleFor(at) : "Incident";
  useEffect(() => {
    document.title = `${title} · Wattscope`;
  }, [title]);

  const device = /^\/devices\/(.+)$/.exec(at)?.[1];
  if (device !== undefined) return <DevicePage id={decoded(device)} />;
  switch (at) {
    case "/home":
      return <HomePage />;
    case "/solar":
      return <SolarPage />;
    case "/heatpump":
      return <HeatPumpPage />;
    case "/grid":
      return <GridPage />;
    case "/plant":
      return <PlantPage />;
    case "/devices":
      return <DevicesPage />;
    case "/alerts":
      return <AlertsPage />;
    case "/health":
      return <HealthPage />;
    case "/":
      // Its full address follows as soon as the sites are known.
      return sites.value === null ? <PageHead title="Wattscope" /> : <DevicesPage />;
    default:
      return <NoPage />;
  }
}

function titleFor(at: string): string {
  if (at.startsWith("/devices")) return "Devices";
  const entry = [...recipeEntries(null), ...SITE_ENTRIES].find((one) => one.path === at);
  return entry?.title ?? "Home";
}

function NoPage() {
  return (
    <div class="nothing wide">
      <strong>There is no page at this address.</strong>
      <p>
        <Link to="/">Go to the first page</Link>
      </p>
    </div>
  );
}
