/** The panels of the Grafana dashboard by rows, with their Prometheus queries. */

/** One query, and the name of its results. */
interface Query {
  readonly expr: string;
  readonly legend?: string;
}

/** A graph, or one figure. */
export interface Panel {
  readonly title: string;
  /** The description of the panel for its reader. */
  readonly description: string;
  /** Grafana's name of a unit. */
  readonly unit: string;
  readonly queries: readonly Query[];
  /** Shows the latest figure alone, in red from `redFrom` on. */
  readonly stat?: { readonly redFrom?: number };
}

/** Panels under a heading. */
export interface Row {
  readonly title: string;
  readonly panels: readonly Panel[];
}

const RATE = '$__rate_interval';
/** Quantiles of a histogram over the last minutes. Moves are rarer than requests, so their quantiles need more time. */
const quantiles = (histogram: string, over: string, shares: readonly number[]): Query[] =>
  shares.map((share) => ({
    expr: `histogram_quantile(${share}, sum by (le) (rate(${histogram}[${over}])))`,
    legend: `p${share * 100}`,
  }));
const completed = (name: string) => `${name}_bucket{outcome="completed"}`;

/** The rows, from the overview to the details. */
export const ROWS: readonly Row[] = [
  {
    title: 'At a glance',
    panels: [
      {
        title: 'Processes that do not answer',
        description: 'Processes that Prometheus scrapes and that do not answer.',
        unit: 'none',
        stat: { redFrom: 1 },
        queries: [{ expr: 'count(up{job="tagalong"} == 0) or vector(0)' }],
      },
      {
        title: 'Moves in 24 hours',
        description: 'Completed migrations.',
        unit: 'none',
        stat: {},
        queries: [{ expr: 'sum(increase(tagalong_migration_duration_seconds_count{outcome="completed"}[24h]))' }],
      },
      {
        title: 'Interruption, p95 of 24 hours',
        description: 'The longest gap in a client’s traffic around a move.',
        unit: 's',
        stat: { redFrom: 0.5 },
        queries: quantiles(completed('tagalong_migration_interruption_seconds'), '24h', [0.95]),
      },
      {
        title: 'Oldest migration',
        description: 'The time since the oldest migration under way was accepted.',
        unit: 's',
        stat: { redFrom: 1800 },
        queries: [{ expr: 'max(tagalong_migrator_oldest_migration_seconds)' }],
      },
      {
        title: 'VMs that move to and fro',
        description:
          'VMs that returned at least twice within an hour to a site that they had left. The monitor’s log names them.',
        unit: 'none',
        stat: { redFrom: 1 },
        queries: [{ expr: 'sum(tagalong_vms_flapping)' }],
      },
      {
        title: 'Migrators on duty',
        description: 'One migrator moves VMs, the others stand by.',
        unit: 'none',
        stat: { redFrom: 2 },
        queries: [{ expr: 'sum(tagalong_migrator_on_duty)' }],
      },
    ],
  },
  {
    title: 'Moves',
    panels: [
      {
        title: 'Ended, an hour',
        description: 'Migrations by outcome.',
        unit: 'none',
        queries: [
          { expr: 'sum by (outcome) (increase(tagalong_migration_duration_seconds_count[1h]))', legend: '{{outcome}}' },
        ],
      },
      {
        title: 'Interruption',
        description: 'Completed moves of the last hour: the longest gap in a client’s traffic.',
        unit: 's',
        queries: quantiles(completed('tagalong_migration_interruption_seconds'), '1h', [0.5, 0.95, 0.99]),
      },
      {
        title: 'Pause',
        description:
          'Completed moves of the last hour, from the stop at the source until the VM runs at the destination.',
        unit: 's',
        queries: quantiles(completed('tagalong_migration_pause_seconds'), '1h', [0.5, 0.95, 0.99]),
      },
      {
        title: 'Duration',
        description: 'Completed moves of the last hour, from beginning to end.',
        unit: 's',
        queries: quantiles(completed('tagalong_migration_duration_seconds'), '1h', [0.5, 0.95]),
      },
      {
        title: 'Phases, median',
        description: 'How long each phase took, of the moves that ended in the last hour.',
        unit: 's',
        queries: [
          {
            expr: 'histogram_quantile(0.5, sum by (le, phase) (rate(tagalong_migration_phase_duration_seconds_bucket[1h])))',
            legend: '{{phase}}',
          },
        ],
      },
      {
        title: 'Worse than planned, an hour',
        description: 'By kind: one path only, plain TCP, a forced stop and others.',
        unit: 'none',
        queries: [{ expr: 'sum by (kind) (increase(tagalong_migration_degraded_total[1h]))', legend: '{{kind}}' }],
      },
      {
        title: 'Why moves failed or were cancelled, an hour',
        description: 'By error code, or by who cancelled.',
        unit: 'none',
        queries: [
          {
            expr: 'sum by (outcome, reason) (increase(tagalong_migrations_total{outcome!="completed"}[1h]))',
            legend: '{{outcome}} {{reason}}',
          },
        ],
      },
      {
        title: 'Under way, by step',
        description: 'The migrations of the leading migrator.',
        unit: 'none',
        queries: [{ expr: 'sum by (state) (tagalong_migrator_migrations)', legend: '{{state}}' }],
      },
      {
        title: 'Sent between sites',
        description: 'Bytes of ended migrations.',
        unit: 'Bps',
        queries: [{ expr: `sum(rate(tagalong_migration_bytes_total[${RATE}]))`, legend: 'sent' }],
      },
      {
        title: 'Measured ÷ predicted, median',
        description: 'Completed moves of the last hour; 1 is a perfect prediction.',
        unit: 'none',
        queries: [
          {
            expr: 'histogram_quantile(0.5, sum by (le, measure) (rate(tagalong_migration_prediction_error_ratio_bucket[1h])))',
            legend: '{{measure}}',
          },
        ],
      },
      {
        title: 'What clients report',
        description: 'Gaps in their traffic and lost connections in an hour, whether or not a move was under way.',
        unit: 'none',
        queries: [
          { expr: 'sum(increase(tagalong_client_gap_seconds_count[1h]))', legend: 'gaps' },
          { expr: 'sum(increase(tagalong_client_resets_total[1h]))', legend: 'connections lost' },
        ],
      },
    ],
  },
  {
    title: 'Decisions and sites',
    panels: [
      {
        title: 'Decisions, an hour',
        description: 'By verdict, reason and source.',
        unit: 'none',
        queries: [
          {
            expr: 'sum by (verdict, reason, source) (increase(tagalong_decisions_total[1h]))',
            legend: '{{verdict}} {{reason}} ({{source}})',
          },
        ],
      },
      {
        title: 'VMs by state',
        description: 'The state in the policy, summed over all placements.',
        unit: 'none',
        queries: [{ expr: 'sum by (state) (tagalong_placement_vms)', legend: '{{state}}' }],
      },
      {
        title: 'Returns, an hour',
        description: 'Moves to a site that the VM had left within the last hour.',
        unit: 'none',
        queries: [{ expr: 'sum(increase(tagalong_migration_returns_total[1h]))', legend: 'returns' }],
      },
      {
        title: 'Slots in use',
        description: 'VMs at a site ÷ its slots.',
        unit: 'percentunit',
        queries: [
          { expr: 'max by (site) (tagalong_site_vms) / max by (site) (tagalong_site_slots)', legend: '{{site}}' },
        ],
      },
      {
        title: 'Since the last heartbeat of a site',
        description:
          'A site sends a heartbeat every heartbeatMs. After policy.siteSilentMs without one it counts as silent.',
        unit: 's',
        queries: [
          {
            expr: 'time() - max by (site) (tagalong_site_last_report_timestamp_seconds)',
            legend: '{{site}}',
          },
        ],
      },
      {
        title: 'Draining sites',
        description: '1 while an operator drains a site.',
        unit: 'none',
        queries: [{ expr: 'max by (site) (tagalong_site_draining)', legend: '{{site}}' }],
      },
    ],
  },
  {
    title: 'Events',
    panels: [
      {
        title: 'Locations at ingest',
        description: 'Received locations by outcome.',
        unit: 'reqps',
        queries: [{ expr: `sum by (outcome) (rate(tagalong_ingest_locations_total[${RATE}]))`, legend: '{{outcome}}' }],
      },
      {
        title: 'Locations at placement',
        description: 'Location events by outcome. Most of them change nothing.',
        unit: 'reqps',
        queries: [
          { expr: `sum by (outcome) (rate(tagalong_placement_locations_total[${RATE}]))`, legend: '{{outcome}}' },
        ],
      },
      {
        title: 'Unhandled events',
        description: 'By consumer group. Each monitor publishes the value of all groups.',
        unit: 'none',
        queries: [
          { expr: 'sum by (group) (max by (group, partition) (tagalong_bus_lag_events))', legend: '{{group}}' },
        ],
      },
      {
        title: 'From the event to the monitor',
        description: 'The time from an event until the monitor receives it.',
        unit: 's',
        queries: quantiles('tagalong_event_lag_seconds_bucket', RATE, [0.5, 0.95, 0.99]),
      },
      {
        title: 'On the bus',
        description: 'Events by type, without locations.',
        unit: 'reqps',
        queries: [{ expr: `sum by (type) (rate(tagalong_events_total[${RATE}]))`, legend: '{{type}}' }],
      },
      {
        title: 'Dead letters, an hour',
        description: 'Events that could not be handled, by error code. `tagalong dead-letters list` shows them.',
        unit: 'none',
        queries: [{ expr: 'sum by (code) (increase(tagalong_events_rejected_total[1h]))', legend: '{{code}}' }],
      },
    ],
  },
  {
    title: 'Processes',
    panels: [
      {
        title: 'Requests',
        description: 'Answers by status, including those of /metrics and health checks.',
        unit: 'reqps',
        queries: [{ expr: `sum by (status) (rate(tagalong_http_requests_total[${RATE}]))`, legend: '{{status}}' }],
      },
      {
        title: 'Time to answer, p95',
        description: 'By route.',
        unit: 's',
        queries: [
          {
            expr: `histogram_quantile(0.95, sum by (le, route) (rate(tagalong_http_request_duration_seconds_bucket[${RATE}])))`,
            legend: '{{route}}',
          },
        ],
      },
      {
        title: 'Processor',
        description: 'Cores in use.',
        unit: 'none',
        queries: [
          { expr: `rate(process_cpu_seconds_total{job="tagalong"}[${RATE}])`, legend: '{{service}} {{instance}}' },
        ],
      },
      {
        title: 'Memory',
        description: 'Resident memory.',
        unit: 'bytes',
        queries: [{ expr: 'process_resident_memory_bytes{job="tagalong"}', legend: '{{service}} {{instance}}' }],
      },
      {
        title: 'Event loop lag, p99',
        description: 'How late a process begins its next task.',
        unit: 's',
        queries: [{ expr: 'nodejs_eventloop_lag_p99_seconds{job="tagalong"}', legend: '{{service}} {{instance}}' }],
      },
      {
        title: 'Versions',
        description: 'The running versions of Tagalong and Node.js.',
        unit: 'none',
        queries: [{ expr: 'sum by (version, node) (tagalong_build_info)', legend: '{{version}}, Node.js {{node}}' }],
      },
    ],
  },
];
