// Which variant of an experiment a user sees.

exception UnknownExperiment {
  1: required string experiment
}

struct Assignment {
  1: required string experiment,
  2: required string variant,
  3: i32 bucket,
}

service Splitter {
  Assignment split(1: string experiment, 2: string user) throws (1: UnknownExperiment unknown),
  oneway void seen(1: Assignment assignment, 2: string user),
  map<string, i64> counts(),
  string ping(),
}
