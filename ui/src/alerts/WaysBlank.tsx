/** Through which channels a rule tells. */

import type { Channel } from "../api/alerting";

interface Props {
  channels: readonly Channel[];
  /** Empty for every way. */
  chosen: readonly string[];
  onWays: (ways: string[]) => void;
}

export function WaysBlank({ channels, chosen, onWays }: Props) {
  // A way that the settings no longer have stays named, so that it can be taken out.
  const names = [...new Set([...channels.map((one) => one.name), ...chosen])];
  const toggle = (name: string) =>
    onWays(chosen.includes(name) ? chosen.filter((one) => one !== name) : [...chosen, name]);
  return (
    <span class="picks" role="group" aria-label="Ways">
      <button
        type="button"
        class="pick"
        aria-pressed={chosen.length === 0}
        onClick={() => onWays([])}
      >
        every way
      </button>
      {names.map((name) => (
        <button
          type="button"
          class="pick"
          key={name}
          aria-pressed={chosen.includes(name)}
          onClick={() => toggle(name)}
          data-testid={`way-${name}`}
        >
          {name}
        </button>
      ))}
    </span>
  );
}
