service Splitter { string split(1: string user) }
