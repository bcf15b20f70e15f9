import type { ComponentChildren } from "preact";

import { site, sites } from "../state/catalogue";
import { addressOf, navigate, path } from "../state/route";
import { LiveChip } from "./LiveChip";
import { ThemeButton } from "./Rail";

interface PageHeadProps {
  title: string;
  /** Left out, the age of the newest reading of the site. */
  chip?: ComponentChildren;
  children?: ComponentChildren;
}

/** The head of every page: where one is, how old the newest reading is, and the page's controls. */
export function PageHead({ title, chip, children }: PageHeadProps) {
  return (
    <header class="page-head">
      <div class="page-title">
        <h1>{title}</h1>
        <SiteName title={title} />
        {chip ?? <LiveChip />}
        <ThemeButton />
      </div>
      {children}
    </header>
  );
}

function SiteName({ title }: { title: string }) {
  const all = sites.value ?? [];
  const current = site.value;
  if (current === null || (all.length < 2 && current.name === title)) return null;
  if (all.length < 2) return <span class="site-name">{current.name}</span>;
  return (
    <select
      class="site-name"
      aria-label="Site"
      value={current.id}
      onChange={(event) => navigate(addressOf(path.value, { site: event.currentTarget.value }))}
    >
      {all.map((one) => (
        <option key={one.id} value={one.id}>
          {one.name}
        </option>
      ))}
    </select>
  );
}
