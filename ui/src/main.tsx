import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/shell.css";
import "./styles/head.css";
import "./styles/parts.css";
import "./styles/charts.css";
import "./styles/flow.css";
import "./styles/home.css";
import "./styles/devices.css";
import "./styles/health.css";
import "./styles/machine.css";
import "./styles/solar.css";
import "./styles/alerts.css";
import "./styles/grid.css";
import "./styles/narrow.css";

import { render } from "preact";

import { startLive } from "./api/live";
import { App } from "./app";
import { startCatalogue } from "./state/catalogue";
import { startClock } from "./state/clock";

startClock();
startLive();
void startCatalogue();

const root = document.getElementById("app");
if (root !== null) render(<App />, root);
