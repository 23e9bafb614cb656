import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { globSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** Whether this machine has a Prometheus; Debian's package `prometheus` is one. */
export const hasPrometheus = spawnSync('prometheus', ['--version']).status === 0;

/** What is printed where it has none. */
export const skipped = 'skipped: live Prometheus (needs the programs of the package prometheus)';

const shipped = fileURLToPath(new URL('../../metrics', import.meta.url));

/** The rules that users load. */
export const rulesText = (): string => readFileSync(join(shipped, 'alerts/lloom.rules.yml'), 'utf8');

/** One query of a dashboard. */
export interface PanelQuery {
  readonly panel: string;
  readonly expr: string;
  /** The labels that its lines are named by. */
  readonly labels: readonly string[];
}

interface Dashboard {
  readonly title: string;
  readonly panels: readonly {
    readonly title: string;
    readonly targets?: readonly { readonly expr: string; readonly legendFormat: string }[];
  }[];
}

/** The queries of all dashboards, as they stand there. */
export function panelQueries(): PanelQuery[] {
  return globSync('dashboards/*.json', { cwd: shipped }).flatMap((file) => {
    const { title, panels } = JSON.parse(readFileSync(join(shipped, file), 'utf8')) as Dashboard;
    return panels.flatMap((panel) =>
      (panel.targets ?? []).map(({ expr, legendFormat }) => ({
        panel: `${title}: ${panel.title}`,
        expr,
        labels: Array.from(legendFormat.matchAll(/\{\{(\w+)\}\}/g), ([, label]) => label!),
      })),
    );
  });
}

/** One series of the answer to a query. */
export interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [number, string];
}

/** An alert that is pending or fires. */
export interface Alert {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly state: 'pending' | 'firing';
}

/** A rule, and how its last evaluation went. */
export interface Rule {
  readonly type: 'alerting' | 'recording';
  readonly name: string;
  readonly query: string;
  readonly health: 'ok' | 'err' | 'unknown';
  readonly lastError?: string;
}

/** What a Prometheus of a test reads. */
export interface PrometheusConfig {
  /** `127.0.0.1:<port>`, each. */
  readonly targets: readonly string[];
  readonly token: string;
  /** The content of its file of rules. */
  readonly rules: string;
  /** How often it scrapes and evaluates, as Prometheus writes times. */
  readonly interval: string;
}

/** A Prometheus on a free port of loopback, with its own folder. */
export class Prometheus {
  readonly #child: ChildProcess;
  readonly #folder: string;
  readonly #address: string;

  private constructor(child: ChildProcess, folder: string, address: string) {
    this.#child = child;
    this.#folder = folder;
    this.#address = address;
  }

  static async start({ targets, token, rules, interval }: PrometheusConfig): Promise<Prometheus> {
    const folder = await mkdtemp(join(tmpdir(), 'lloom-prometheus-'));
    const config = {
      global: { scrape_interval: interval, scrape_timeout: interval, evaluation_interval: interval },
      rule_files: ['rules.yml'],
      scrape_configs: [
        { job_name: 'lloom', authorization: { credentials: token }, static_configs: [{ targets }] },
      ],
    };
    await writeFile(join(folder, 'rules.yml'), rules);
    // JSON is YAML, too.
    await writeFile(join(folder, 'prometheus.yml'), JSON.stringify(config));
    const args = [
      '--config.file=prometheus.yml',
      '--storage.tsdb.path=data',
      '--web.listen-address=127.0.0.1:0',
    ];
    const child = spawn('prometheus', args, {
      cwd: folder,
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, GOMAXPROCS: '1' },
    });
    const end = (): void => void child.kill();
    process.once('exit', end);
    child.once('close', () => process.off('exit', end));
    try {
      return new Prometheus(child, folder, await listeningAt(child));
    } catch (error) {
      await rm(folder, { recursive: true });
      throw error;
    }
  }

  /** Evaluates an expression now. @throws what Prometheus holds against it */
  async query(expr: string): Promise<readonly Sample[]> {
    const body = new URLSearchParams({ query: expr });
    const { result } = await this.#ask<{ readonly result: readonly Sample[] }>('query', {
      method: 'POST',
      body,
    });
    return result;
  }

  async alerts(): Promise<readonly Alert[]> {
    return (await this.#ask<{ readonly alerts: readonly Alert[] }>('alerts')).alerts;
  }

  async rules(): Promise<readonly Rule[]> {
    const { groups } = await this.#ask<{ readonly groups: readonly { readonly rules: readonly Rule[] }[] }>(
      'rules',
    );
    return groups.flatMap(({ rules }) => rules);
  }

  async stop(): Promise<void> {
    const { exitCode, signalCode } = this.#child;
    if (exitCode === null && signalCode === null) {
      const ended = once(this.#child, 'close');
      this.#child.kill();
      await ended;
    }
    await rm(this.#folder, { recursive: true });
  }

  async #ask<T>(path: string, init?: RequestInit): Promise<T> {
    const response = await fetch(`http://${this.#address}/api/v1/${path}`, init);
    const { data, error } = (await response.json()) as { readonly data: T; readonly error?: string };
    if (error !== undefined) throw new Error(error);
    return data;
  }
}

/** The address that it prints once it listens. */
async function listeningAt(child: ChildProcess): Promise<string> {
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stderr! })) {
    const address = /msg="Listening on" address=(?<address>\S+)/.exec(line)?.groups?.['address'];
    if (address !== undefined) {
      // What is not read would hold it up.
      child.stderr!.resume();
      return address;
    }
    lines.push(line);
  }
  throw new Error(`Prometheus has ended: ${lines.join('\n')}`);
}
