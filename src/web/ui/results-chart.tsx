import { t } from "../i18n.ts";
import type { Game } from "../shapes.ts";

const WIDTH = 640;
const HEIGHT = 180;
const EDGE = 10;
const MAX_GAMES = 60;
const STEP = { win: 1, loss: -1, draw: 0 } as const;

/** Wins less losses, game by game, oldest first. `games` come newest first. */
export function ResultsChart({ games }: { readonly games: readonly Game[] }) {
  const shown = games.slice(0, MAX_GAMES).reverse();
  let sum = 0;
  const balances = shown.map((game) => {
    sum += STEP[game.result];
    return sum;
  });
  const highest = Math.max(1, ...balances);
  const lowest = Math.min(-1, ...balances);
  const x = (index: number) => EDGE + ((WIDTH - 2 * EDGE) * (index + 1)) / shown.length;
  const y = (balance: number) => EDGE + ((HEIGHT - 2 * EDGE) * (highest - balance)) / (highest - lowest);
  const points = [[EDGE, y(0)], ...balances.map((balance, index) => [x(index), y(balance)])];
  const line = points.map(([left, top]) => `${left},${top}`).join(" ");
  const count = (result: Game["result"]) => shown.filter((game) => game.result === result).length;
  const label = t("chartText", {
    wins: count("win"),
    losses: count("loss"),
    draws: count("draw"),
    n: shown.length,
  });
  return (
    <>
      <svg class="chart" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={label}>
        <polygon class="chart-area" points={`${EDGE},${y(0)} ${line} ${x(shown.length - 1)},${y(0)}`} />
        <line class="chart-axis" x1={EDGE} x2={WIDTH - EDGE} y1={y(0)} y2={y(0)} />
        <polyline class="chart-line" points={line} />
        {shown.map((game, index) => (
          <circle
            key={game.id}
            class={`chart-${game.result}`}
            cx={x(index)}
            cy={y(balances[index] ?? 0)}
            r="4.5"
          />
        ))}
      </svg>
      <p class="legend">
        <span class="win">{t("win")}</span>
        <span class="loss">{t("loss")}</span>
        <span>{t("draw")}</span>
        <em class="push">{t("chartBalance")}</em>
      </p>
      <p class="muted small">{label}</p>
    </>
  );
}
