/** The navigation: a rail at the left of a desktop, tabs at the bottom of a phone. */

import { sites } from "../state/catalogue";
import { addressOf, query } from "../state/route";
import { nextTheme, theme } from "../state/theme";
import { Link } from "../parts/Link";
import { type Entry, recipeEntries, shownPath, SITE_ENTRIES } from "./entries";
import { KeysIcon, MoonIcon, ScreenIcon, SunIcon } from "./icons";
import { isKeysOpen } from "./Keys";

function EntryLink({ entry }: { entry: Entry }) {
  const at = shownPath.value;
  const isCurrent = at === entry.path || at.startsWith(`${entry.path}/`);
  return (
    <Link
      to={addressOf(entry.path, { site: query.value.get("site") })}
      class="entry"
      isCurrent={isCurrent}
    >
      <entry.Icon />
      {entry.title}
    </Link>
  );
}

export function Rail() {
  const recipes = recipeEntries(sites.value);
  return (
    <nav class="rail" aria-label="Pages">
      <Link to="/" class="brand" label="Wattscope, first page">
        <img src="/icon.svg" alt="" width="22" height="22" />
        Wattscope
      </Link>
      {recipes.map((entry) => (
        <EntryLink key={entry.path} entry={entry} />
      ))}
      <p class="rail-head">Look into</p>
      {SITE_ENTRIES.map((entry) => (
        <EntryLink key={entry.path} entry={entry} />
      ))}
      <div class="rail-foot">
        <ThemeButton withWords />
        <button type="button" class="entry" onClick={() => (isKeysOpen.value = true)}>
          <KeysIcon />
          Keys
        </button>
      </div>
    </nav>
  );
}

const THEME_WORDS = { system: "As system", light: "Light", dark: "Dark" } as const;

export function ThemeButton({ withWords = false }: { withWords?: boolean }) {
  const words = THEME_WORDS[theme.value];
  const Icon = theme.value === "system" ? ScreenIcon : theme.value === "dark" ? MoonIcon : SunIcon;
  return (
    <button
      type="button"
      class={withWords ? "entry" : "icon-button theme-alone"}
      aria-label={`Appearance: ${words}. Change`}
      title={`Appearance: ${words}`}
      data-testid={withWords ? "theme" : "theme-phone"}
      onClick={nextTheme}
    >
      <Icon />
      {withWords && words}
    </button>
  );
}
