import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/shell.css";
import "./styles/parts.css";
import "./styles/charts.css";
import "./styles/pages.css";

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
