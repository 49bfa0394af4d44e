-- Days without a run are added to the aggregates, and must not add or hide a run. Keys and words are looked at as in
-- `assert_every_key_is_unique_and_every_word_known`.
{%- set totals = [
    ('agg_daily', 'run_count', 'fct_runs'),
    ('agg_source_daily', 'bucket_count', 'fct_source_dates'),
    ('agg_stage_daily', 'run_count', 'fct_run_stages'),
    ('fct_date_freshness', 'run_count', 'fct_source_dates'),
] %}

{%- for aggregate, measure, mart in totals %}

select '{{ aggregate }}' as mart
from (select coalesce(sum({{ measure }}), 0) as counted from {{ ref(aggregate) }}) as totals
cross join (select count(*) as row_count from {{ ref(mart) }}) as marts
where totals.counted <> marts.row_count

union all
{%- endfor %}
{%- for mart in whole_marts() %}

{{ broken_keys_and_words(mart, is_of_runs=false) }}
{{ 'union all' if not loop.last }}
{%- endfor %}
