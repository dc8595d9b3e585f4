"""Many methods, one protocol: which to choose for one's own data, and whether the graph helps.

In the order in which to read it:

    run             the protocol as a whole, from the experiment to `comparison.json`
    plan            which rows the table has
    folder          what a comparison was begun with, so that it goes on with nothing else
    training        rows -> trained rows: tuning, then one training per row and seed
    attempts        one row with one seed: trained, predicted, recorded; `isolated` runs it in a process, `measure` takes its costs
    tuning          settings by trials on validation rows, where `search_space` says
    baselines       the row that is not trained: the majority
    collect         what attempts left -> rows of the table
    significance    row against row; `resampling` has the metrics of thousands of resamples at once
    conclusions     what the table says, in sentences; `tables` writes it as CSV and Markdown

Then what else can be asked of some rows:

    extras          who is asked what
    changes         a store without edges, with noise, with pictures of other samples ...; by `edge_changes` and `feature_changes`
    controls        does the graph help?
    missing, noise  curves of what is lost; `curves` has what both share
    calibration     are they as sure as they should be?
    groups          results by language, event, activity of the author
"""
