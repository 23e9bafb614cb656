import { DiscoveryError } from '../errors.ts';
import type {
  FindConfig,
  Preference,
  Provider,
  RankedCandidate,
  Rejection,
  Selection,
  SelectionExplanation,
  SelectionQuery,
} from '../types.ts';
import type { Finder } from './finder.ts';
import { amountOf, pricingOf, rank, suits, Turns, type Ranking, type RankingPorts } from './ranking.ts';
import { checkSelection, type CheckedSelection } from './selectionQuery.ts';
import type { Shared } from './shared.ts';

/** What selecting takes. */
export interface SelectingPorts extends Pick<Shared, 'clock' | 'config' | 'experience' | 'random'> {
  readonly finder: Pick<Finder, 'search'>;
  /** The order of equals. @default one of its own */
  readonly turns?: Turns;
}

/** How one is looked for. */
export type SelectConfig = Omit<FindConfig, 'limit'>;

type Found = Awaited<ReturnType<Finder['search']>>;

/** Who was found, and in which order they suit. */
interface Choice {
  readonly found: Found;
  readonly ranking: Ranking<Provider>;
}

/** Selects the executor that suits best. */
export class Selecting {
  readonly #ports: SelectingPorts;
  readonly #turns: Turns;

  constructor(ports: SelectingPorts) {
    this.#ports = ports;
    this.#turns = ports.turns ?? new Turns(ports.random);
  }

  /**
   * The one that suits best of those that a search finds. When what is known suits nobody, everybody is asked before it is
   * given up: they may offer something else by now.
   *
   * @throws {DiscoveryError} `INVALID_QUERY`; `NO_PROVIDERS`, with every reason; as the search throws
   */
  async select(given: SelectionQuery, config: SelectConfig = {}): Promise<Selection> {
    const checked = checkSelection(given);
    const { clock } = this.#ports;
    const startMs = clock.elapsed();
    let choice = await this.#choose(checked, config);
    if (choice.ranking.candidates.length === 0 && choice.found.believed > 0) {
      const timeoutMs = config.timeoutMs ?? this.#ports.config.queryTimeoutMs;
      const leftMs = Math.max(1, Math.ceil(timeoutMs - (clock.elapsed() - startMs)));
      choice = await this.#chooseAgain(checked, { ...config, maxAgeMs: 0, timeoutMs: leftMs }, choice);
    }
    const [chosen] = choice.ranking.candidates;
    if (chosen === undefined) throw noProviders(checked.query, choice);
    let explanation: SelectionExplanation | undefined;
    return { ...chosen.provider, explain: () => (explanation ??= explain(checked, choice)) };
  }

  async #choose(checked: CheckedSelection, config: SelectConfig): Promise<Choice> {
    const { finder } = this.#ports;
    const query = { kind: 'executor', model: checked.query.model } as const;
    const ports: RankingPorts = {
      performanceOf: (peerId) => this.#ports.experience?.performanceOf(peerId),
      turnOf: this.#turns.of,
    };
    const found = await finder.search(query, config, {
      suits: (provider) => suits(checked.ranking, provider, ports),
    });
    const ranking = rank(checked.ranking, found.providers, ports);
    return { found, ranking };
  }

  /** Whoever was found before has said why it does not suit: a search that fails takes nothing back of that. */
  async #chooseAgain(checked: CheckedSelection, config: SelectConfig, before: Choice): Promise<Choice> {
    try {
      return await this.#choose(checked, config);
    } catch (cause) {
      if (DiscoveryError.is(cause, 'CANCELLED') || DiscoveryError.is(cause, 'STOPPED')) throw cause;
      throw noProviders(checked.query, before, cause);
    }
  }
}

function noProviders(
  { model }: SelectionQuery,
  choice: Choice,
  cause?: unknown,
): DiscoveryError<'NO_PROVIDERS'> {
  const { asked, providers } = choice.found;
  const data = { kind: 'executor', model, asked, confirmed: providers.length } as const;
  return new DiscoveryError('NO_PROVIDERS', { ...data, rejected: rejectedOf(choice) }, { cause });
}

function rejectedOf({ found, ranking }: Choice): Rejection[] {
  return [...found.rejected, ...ranking.rejected];
}

/** Plain data, and nobody's: what happens later changes nothing in it. */
function explain({ query, ranking: { weights } }: CheckedSelection, choice: Choice): SelectionExplanation {
  const candidates = structuredClone(choice.ranking.candidates);
  const rejected = structuredClone(rejectedOf(choice));
  const text = textOf(query, weights, { candidates, rejected });
  return deepFrozen({ query: structuredClone(query), weights: { ...weights }, candidates, rejected, text });
}

function textOf(
  { model }: SelectionQuery,
  weights: SelectionExplanation['weights'],
  { candidates, rejected }: Pick<SelectionExplanation, 'candidates' | 'rejected'>,
): string {
  const counts = Object.entries(weights)
    .filter(([, share]) => share > 0)
    .map(([name, share]) => `${name} ${Math.round(share * 100)} %`);
  const others = candidates.length - 1;
  const among = others === 0 ? 'nobody else suits' : `${others} more ${others === 1 ? 'suits' : 'suit'}`;
  return [
    `Selected ${candidates[0]?.provider.peerId} for model "${model}": ${among}; what counts: ${counts.join(', ')}`,
    ...candidates.map((candidate, at) => `${at + 1}. ${candidateText(candidate, model)}`),
    ...rejected.map(({ peerId, reason }) => `- ${peerId}: ${reason}`),
  ].join('\n');
}

const units = { price: 'wei for 1 token in and 3 out', latency: 'ms', throughput: 'tokens/s' } as const;

function candidateText(candidate: RankedCandidate, model: string): string {
  const { provider, score, isAvoided = false, isFree, figures, reputation } = candidate;
  const shown = (name: Preference): string => {
    const { value } = figures[name];
    if (value === undefined) return `${name} unknown`;
    return `${name} ${name === 'price' ? exactPrice(provider, model) : round(value)} ${units[name]}`;
  };
  const state = isAvoided ? 'avoided' : isFree ? 'free' : 'busy';
  const all = (['price', 'latency', 'throughput'] as const).map(shown).join(', ');
  const held = reputation === undefined ? '' : `, reputation ${round(reputation)}`;
  return `${provider.peerId}: score ${score.toFixed(2)}, ${state}, ${all}${held}`;
}

/** Prices are larger than what a number can hold. */
function exactPrice({ info }: Provider, model: string): string {
  const pricing = info.kind === 'executor' ? pricingOf(info, model) : undefined;
  return pricing === undefined ? 'unknown' : amountOf(pricing).toString();
}

function round(value: number): string {
  return Number(value.toPrecision(3)).toString();
}

function deepFrozen<T>(value: T): T {
  if (typeof value === 'object' && value !== null)
    for (const entry of Object.values(Object.freeze(value))) deepFrozen(entry);
  return value;
}
