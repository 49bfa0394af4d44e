-- Days without a run are added to the aggregates, and must not add or hide a run.
{%- set totals = [
    ('agg_daily', 'run_count', 'fct_runs', 'created_date, ' ~ identifier('trigger')),
    ('agg_source_daily', 'bucket_count', 'fct_source_dates', 'created_date, source'),
    ('agg_stage_daily', 'run_count', 'fct_run_stages', 'created_date, stage'),
    ('fct_date_freshness', 'run_count', 'fct_source_dates', 'source, date_stamp'),
] %}

{%- for aggregate, measure, mart, key in totals %}

select '{{ aggregate }}' as mart
from (
    select
        coalesce(sum({{ measure }}), 0) as counted,
        count(*) as row_count
    from {{ ref(aggregate) }}
) as totals
cross join (select count(*) as row_count from {{ ref(mart) }}) as marts
cross join (select count(*) as row_count from (select distinct {{ key }} from {{ ref(aggregate) }}) as keys) as keys
where
    totals.counted <> marts.row_count
    or totals.row_count <> keys.row_count

union all
{%- endfor %}

select 'source_status' as mart
from {{ ref('source_status') }}
group by source
having
    count(*) > 1
    or max(case when health in ('healthy', 'incomplete', 'failing', 'recovering', 'stalled', 'never_finished') then 0 else 1 end) = 1
