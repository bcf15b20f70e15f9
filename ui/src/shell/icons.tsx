/** Icons of the shell: drawn here, one line width, no icon font. */

import type { ComponentChildren } from "preact";

function Icon({ children }: { children: ComponentChildren }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
      {children}
    </svg>
  );
}

export const HomeIcon = () => (
  <Icon>
    <path d="M4 11.5 12 5l8 6.5V19a1 1 0 0 1-1 1h-4.5v-5h-5v5H5a1 1 0 0 1-1-1z" />
  </Icon>
);

export const PlantIcon = () => (
  <Icon>
    <path d="M4 20V10l5 3.5V10l5 3.5V5.5L16 4h2l1 1.5V20zM8 16.5h2M13.5 16.5h2" />
  </Icon>
);

export const HeatPumpIcon = () => (
  <Icon>
    <rect x="3.5" y="5" width="17" height="14" rx="2.5" />
    <circle cx="10" cy="12" r="4" />
    <path d="M10 8v8M6.5 10l7 4M6.5 14l7-4M17.2 9v6" />
  </Icon>
);

export const GridIcon = () => (
  <Icon>
    <path d="M9 20 12 3l3 17M6 8h12M4.5 12.5h15M10 14l4.6 5M14 14l-4.6 5M6 8v2M18 8v2M4.5 12.5v2M19.5 12.5v2" />
  </Icon>
);

export const SolarIcon = () => (
  <Icon>
    <path d="M5.5 8h13l2 11h-17zM12 8v11M4.5 13.5h15M12 2.2v2.3M5.6 4.2l1.5 1.5M18.4 4.2l-1.5 1.5" />
  </Icon>
);

export const AlertsIcon = () => (
  <Icon>
    <path d="M6.5 16.5v-6a5.5 5.5 0 0 1 11 0v6l1.5 1.5H5zM10 20.5h4M12 3v2" />
  </Icon>
);

export const CloseIcon = () => (
  <Icon>
    <path d="m6 6 12 12M18 6 6 18" />
  </Icon>
);

export const DevicesIcon = () => (
  <Icon>
    <rect x="4.5" y="4" width="15" height="16" rx="2.5" />
    <path d="M8.5 12a3.5 3.5 0 0 1 7 0M12 12l1.6-1.9M9 16.5h6" />
  </Icon>
);

export const HealthIcon = () => (
  <Icon>
    <path d="M3 12.5h4l2.3-6 4.2 12 2.8-8 1.2 2H21" />
  </Icon>
);

export const SunIcon = () => (
  <Icon>
    <circle cx="12" cy="12" r="4" />
    <path d="M12 3v2M12 19v2M3 12h2M19 12h2M5.6 5.6 7 7M17 17l1.4 1.4M5.6 18.4 7 17M17 7l1.4-1.4" />
  </Icon>
);

export const MoonIcon = () => (
  <Icon>
    <path d="M19.5 14.5A8 8 0 0 1 9.5 4.5a8 8 0 1 0 10 10z" />
  </Icon>
);

export const ScreenIcon = () => (
  <Icon>
    <rect x="3.5" y="5" width="17" height="11.5" rx="2" />
    <path d="M9 20h6" />
  </Icon>
);

export const KeysIcon = () => (
  <Icon>
    <path d="M9.3 9.3a2.8 2.8 0 1 1 4 2.5c-.8.4-1.3 1-1.3 2v.4M12 17.6v.1" />
    <circle cx="12" cy="12" r="9" />
  </Icon>
);

export const LeftIcon = () => (
  <Icon>
    <path d="m14.5 6-6 6 6 6" />
  </Icon>
);

export const RightIcon = () => (
  <Icon>
    <path d="m9.5 6 6 6-6 6" />
  </Icon>
);
