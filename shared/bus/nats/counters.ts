/** What happens to a connection and its consumers, counted since they began. For the metrics. */
export interface NatsCounters {
  /** Times the connection was lost. */
  disconnects: number;
  /** Times it was there again. */
  reconnects: number;
  /** Times the server reported an error on the connection, a consumer too slow for it among them. */
  serverErrors: number;
  /** Times a consumer was silent for longer than its heartbeats allow. */
  heartbeatsMissed: number;
  /** Times a consumer was made anew, because messages of it were or may have been lost on the way. */
  consumersRecreated: number;
  /** Messages that were sent again because they were not acknowledged. */
  resent: number;
  /** Partitions that somebody else had taken while we thought them ours. */
  partitionsLost: number;
  /** Messages on our subjects that are no event of ours. */
  undecodable: number;
}

/** All at zero. */
export function natsCounters(): NatsCounters {
  return {
    disconnects: 0,
    reconnects: 0,
    serverErrors: 0,
    heartbeatsMissed: 0,
    consumersRecreated: 0,
    resent: 0,
    partitionsLost: 0,
    undecodable: 0,
  };
}
