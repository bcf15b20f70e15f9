import type { ComponentChildren } from "preact";

interface CardProps {
  title: string;
  aside?: ComponentChildren;
  actions?: ComponentChildren;
  class?: string;
  testId?: string;
  children: ComponentChildren;
}

export function Card({ title, aside, actions, class: className, testId, children }: CardProps) {
  return (
    <section class={`card ${className ?? ""}`} aria-label={title} data-testid={testId}>
      <header class="card-head">
        <h2>{title}</h2>
        {aside !== undefined && <span class="card-aside">{aside}</span>}
        {actions !== undefined && <div class="card-actions">{actions}</div>}
      </header>
      {children}
    </section>
  );
}
