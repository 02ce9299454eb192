/** Tables in Markdown of what `bench/retrieval.ts` measured. */
import type { Report, ReportTarget } from './report.ts';

type Cell = string | number;

function table(head: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const line = (cells: readonly Cell[]): string =>
    `| ${cells.map((cell) => (typeof cell === 'number' ? shown(cell) : cell)).join(' | ')} |`;
  return [line(head), `|${'---|'.repeat(head.length)}`, ...rows.map(line)].join('\n');
}

/** Three digits that count, thousands apart. */
function shown(value: number): string {
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en-US');
  return String(Number(value.toPrecision(3)));
}

const mebibytes = (bytes: number): number => bytes / 2 ** 20;
const seconds = (ms: number): number => ms / 1000;

function loadTable(targets: readonly ReportTarget[], reference: ReportTarget | undefined): string {
  const head = [
    'setting',
    'protocol',
    'clients',
    'queries/s',
    'p50 ms',
    'p95',
    'p99',
    'max',
    'calls',
    'errors',
    'wrong',
    'lost',
  ];
  const rows = targets.flatMap(({ name, protocol, rows: loads }) =>
    loads.map((row, index): Cell[] => {
      const clients = `${shown(row.clients)}${row.callsPerSecond === undefined ? '' : ` at ${shown(row.callsPerSecond)}/s`}`;
      const { server, client, others } = row.cpuSeconds;
      const base = reference?.rows[index]?.rightPerSecond;
      return [
        name,
        protocol,
        clients,
        row.rightPerSecond,
        row.p50Ms,
        row.p95Ms,
        row.p99Ms,
        row.maxMs,
        row.calls,
        row.errors,
        row.wrong,
        row.lost,
        `${shown(server)} / ${shown(client)} / ${shown(others)}`,
        ...(reference === undefined ? [] : [base === undefined ? '' : shown(row.rightPerSecond / base)]),
      ];
    }),
  );
  const last = ['CPU s: server / client / others', ...(reference === undefined ? [] : ['× gradus'])];
  return table([...head, ...last], rows);
}

const differing = (targets: readonly ReportTarget[]): string =>
  targets
    .filter(({ idleDiffers = 0 }) => idleDiffers > 0)
    .map(
      ({ name, protocol, idleDiffers }) =>
        `\n\n${name}, ${protocol}: ${idleDiffers} queries answered unlike the index in a process.`,
    )
    .join('');

/** The part's tables, with the command that measured them. */
export function tablesOf(report: Report): string {
  return [`\`${report.command}\``, bodyOf(report)].join('\n\n');
}

function bodyOf(report: Report): string {
  switch (report.part) {
    case 'in-process':
      return table(
        ['what', 'queries/s', 'queries per CPU second', 'p50 ms', 'p95', 'p99'],
        report.rows.map((row) => [
          row.what,
          row.queriesPerSecond,
          row.queriesPerCpuSecond,
          row.p50Ms,
          row.p95Ms,
          row.p99Ms,
        ]),
      );
    case 'load':
      return loadTable(report.targets, undefined) + differing(report.targets);
    case 'servers':
      return `${loadTable(report.targets, report.targets[0])}\n\n${table(
        ['server', 'ready after s', 'resident MiB at the end'],
        report.targets.map(({ name, startMs, rows }) => [
          name,
          seconds(startMs),
          Math.max(0, rows.at(-1)?.serverResidentMiB ?? 0),
        ]),
      )}`;
    case 'dense': {
      const { costs, vectors } = report;
      const models = Object.entries(costs).map(([name, value]) => [name, value]);
      return [
        table([`models (${report.models}), both cores, nothing else`, 'a second'], models),
        `Vectors of the index: exact ${shown(seconds(vectors.exactMs))} s, graph ${shown(seconds(vectors.hnswMs))} s, without encoding.`,
        loadTable(report.targets, undefined),
      ].join('\n\n');
    }
    case 'engines':
      return table(
        [
          'library',
          'callers',
          'batch',
          'queries/s',
          'p50 ms',
          'p95',
          'p99',
          'ready after s',
          'resident MiB',
          'same hits %',
        ],
        report.engines.flatMap(({ engine, version, readyMs, residentMiB, sameAsFirst, rows }) =>
          rows.map((row) => [
            `${engine} ${version}`.trim(),
            row.callers,
            row.batch ?? 1,
            row.queriesPerSecond,
            row.p50Ms,
            row.p95Ms,
            row.p99Ms,
            seconds(readyMs),
            residentMiB,
            sameAsFirst * 100,
          ]),
        ),
      );
    case 'size':
      return sizeTable(report.rows);
    case 'vectors':
      return table(
        ['library', 'dimensions', 'build s', 'ms a query', 'ms a query in batches of 32', 'recall@10'],
        report.rows.map((row) => [
          row.name,
          row.dimensions,
          seconds(row.buildMs),
          row.msPerQuery,
          row.msPerQueryInBatchesOf32 ?? '',
          row.recallAt10,
        ]),
      );
  }
}

function sizeTable(rows: Extract<Report, { part: 'size' }>['rows']): string {
  const million = (value: number, passages: number): number => (value / passages) * 1e6;
  const line = (what: string, of: (row: (typeof rows)[number]) => Cell): Cell[] => [what, ...rows.map(of)];
  return table(
    ['', ...rows.map(({ passages }) => `${shown(passages)} passages`)],
    [
      line('corpus, MiB', ({ build }) => mebibytes(build.corpusBytes)),
      line('index with texts, MiB', ({ build }) => mebibytes(build.indexBytes)),
      line('build, s', ({ build }) => seconds(build.buildMs)),
      line('build, CPU s', ({ build }) => build.cpuSeconds),
      line('build, s per million passages', ({ build, passages }) => million(seconds(build.buildMs), passages)),
      line('build, peak resident MiB', ({ build }) => build.peakResidentMiB),
      line('index opens, ms: cold / warm', ({ cold, warm }) => `${shown(cold.openMs)} / ${shown(warm.openMs)}`),
      line(
        'first query, ms: cold / warm',
        ({ cold, warm }) => `${shown(cold.firstQueryMs)} / ${shown(warm.firstQueryMs)}`,
      ),
      line('page cache emptied before "cold"', ({ cacheDropped }) => (cacheDropped ? 'yes' : 'no')),
      line(
        'service serves after, s: cold / warm',
        ({ service }) => `${shown(seconds(service.coldMs))} / ${shown(seconds(service.warmMs))}`,
      ),
      line('resident MiB before the index is open', ({ warm }) => warm.memory.before.residentMiB),
      line('resident MiB once it is open', ({ warm }) => warm.memory.opened.residentMiB),
      line('resident MiB after 1,000 queries', ({ warm }) => warm.memory.searched.residentMiB),
      line('MiB per million passages, after 1,000 queries', ({ warm, passages }) =>
        million(warm.memory.searched.residentMiB - warm.memory.before.residentMiB, passages),
      ),
      line('resident MiB of the service', ({ service }) => service.residentMiB),
      line('queries/s, one thread', ({ warm }) => warm.rate.queriesPerSecond),
      line('p50 / p99, ms', ({ warm }) => `${shown(warm.rate.p50Ms)} / ${shown(warm.rate.p99Ms)}`),
    ],
  );
}
