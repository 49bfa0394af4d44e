{{ config(schema=var('staging_schema'), materialized='table') }}

{#- As of the last build; none of them where all days are made. -#}
{%- set daily = none if makes_all_days() else modelled('agg_daily') -%}
{%- set source_daily = none if makes_all_days() else modelled('agg_source_daily') -%}

{#- named here, so that dbt knows of it while it reads the project -#}
{%- set judged = ref('int_judged_runs') %}

with created_at_odd_times as (

    select run_id from {{ ref('int_implausible_times') }}
    where place = 'created_at'

),

run_counts as (

    select
        runs.created_date,
        runs.{{ identifier('trigger') }},
        count(*) as run_count,
        max(case when created_at_odd_times.run_id is null then 1 else 0 end) as is_plausible
    from {{ ref('fct_runs') }} as runs
    left join created_at_odd_times on runs.run_id = created_at_odd_times.run_id
    group by runs.created_date, runs.{{ identifier('trigger') }}

),

bucket_counts as (

    select
        buckets.created_date,
        buckets.source,
        count(*) as bucket_count,
        max(case when created_at_odd_times.run_id is null then 1 else 0 end) as is_plausible
    from {{ ref('fct_source_dates') }} as buckets
    left join created_at_odd_times on buckets.run_id = created_at_odd_times.run_id
    group by buckets.created_date, buckets.source

),

days_of_runs as (

    {{ calendar_days('run_counts') }}

),

days_of_buckets as (

    {{ calendar_days('bucket_counts') }}

),

{% if daily and source_daily %}

judged_runs as (

    select * from {{ judged }}

),

triggers as (

    select distinct {{ identifier('trigger') }} from run_counts

),

rows_of_runs as (

    select
        days_of_runs.calendar_day as created_date,
        triggers.{{ identifier('trigger') }},
        coalesce(run_counts.run_count, 0) as run_count
    from days_of_runs
    cross join triggers
    left join run_counts
        on
            days_of_runs.calendar_day = run_counts.created_date
            and triggers.{{ identifier('trigger') }} = run_counts.{{ identifier('trigger') }}

),

sources as (

    select distinct source from bucket_counts

),

rows_of_buckets as (

    select
        days_of_buckets.calendar_day as created_date,
        sources.source,
        coalesce(bucket_counts.bucket_count, 0) as bucket_count
    from days_of_buckets
    cross join sources
    left join bucket_counts
        on
            days_of_buckets.calendar_day = bucket_counts.created_date
            and sources.source = bucket_counts.source

),

totals as (

    select sum(run_count) as run_count from run_counts

),

judged_totals as (

    select count(*) as run_count from judged_runs
    where not is_gone

),

-- one row if so, else none
all_judged as (

    select totals.run_count
    from totals
    inner join judged_totals on totals.run_count = judged_totals.run_count

),

changed as (

    -- a day on which a run was created whose rows this build has made
    select runs.created_date
    from {{ ref('fct_runs') }} as runs
    inner join judged_runs on runs.run_id = judged_runs.run_id

    union all

    -- A day of which a mart lacks a row, has one too many, or counts another number of what there is: a run was removed or
    -- moved to another day, perhaps by a build that came to some of the marts; a trigger or a source is new; the calendar
    -- moves on. A run that came in place of another is one of those above. The stages of a day are made before `agg_daily`,
    -- so they are up to date where that is.
    select coalesce(rows_of_runs.created_date, daily.created_date) as created_date
    from rows_of_runs
    full outer join {{ daily }} as daily
        on
            rows_of_runs.created_date = daily.created_date
            and rows_of_runs.{{ identifier('trigger') }} = daily.{{ identifier('trigger') }}
    where coalesce(rows_of_runs.run_count, -1) <> coalesce(daily.run_count, -1)

    union all

    select coalesce(rows_of_buckets.created_date, source_daily.created_date) as created_date
    from rows_of_buckets
    full outer join {{ source_daily }} as source_daily
        on
            rows_of_buckets.created_date = source_daily.created_date
            and rows_of_buckets.source = source_daily.source
    where coalesce(rows_of_buckets.bucket_count, -1) <> coalesce(source_daily.bucket_count, -1)

    union all

    -- every run is made anew, by other code or another setting: so are the quiet days
    select daily.created_date
    from {{ daily }} as daily
    cross join all_judged

    union all

    select source_daily.created_date
    from {{ source_daily }} as source_daily
    cross join all_judged

),

{% else %}

changed as (

    select calendar_day as created_date from days_of_runs

    union all

    select calendar_day as created_date from days_of_buckets

),

{% endif %}

final as (

    select distinct
        changed.created_date,
        days_of_runs.calendar_day is not null as has_runs,
        days_of_buckets.calendar_day is not null as has_buckets
    from changed
    left join days_of_runs on changed.created_date = days_of_runs.calendar_day
    left join days_of_buckets on changed.created_date = days_of_buckets.calendar_day

)

select * from final
