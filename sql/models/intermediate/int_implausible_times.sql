{{ config(schema=var('staging_schema'), materialized='incremental', pre_hook='{{ statsig_runs.delete_changed_runs() }}') }}

-- Times and dates that cannot be, as they stand in the newest state of each run. Hardly ever a row.

{%- set no_source = 'cast(null as ' ~ dbt.type_string() ~ ') as source' -%}
{%- set no_date_stamp = 'cast(null as date) as date_stamp' %}

with runs as (

    select * from {{ ref('stg_ingestion_runs') }}
    where run_id in ({{ runs_to_build() }})

),

histories as (

    select * from {{ ref('int_histories') }}
    where run_id in ({{ runs_to_build() }})

),

date_stamps as (

    select distinct
        run_id,
        date_stamp
    from {{ ref('stg_ingestion_run_date_stamps') }}
    where run_id in ({{ runs_to_build() }})

),

creations as (

    select
        'created_at' as place,
        run_id,
        {{ no_source }},
        {{ no_date_stamp }},
        false as is_last_event
    from runs
    where {{ is_implausible_time('created_at', 'fetched_at') }}

),

updates as (

    select
        'last_updated_at' as place,
        run_id,
        {{ no_source }},
        {{ no_date_stamp }},
        false as is_last_event
    from runs
    where {{ is_implausible_time('last_updated_at', 'fetched_at') }}

),

events as (

    select
        'event' as place,
        histories.run_id,
        histories.source,
        histories.date_stamp,
        {{ is_implausible_time('histories.last_event_at', 'runs.fetched_at') }} as is_last_event
    from histories
    inner join runs on histories.run_id = runs.run_id
    where
        {{ is_implausible_time('histories.first_event_at', 'runs.fetched_at') }}
        or {{ is_implausible_time('histories.last_event_at', 'runs.fetched_at') }}

),

bucket_dates as (

    select
        'date' as place,
        histories.run_id,
        histories.source,
        histories.date_stamp,
        false as is_last_event
    from histories
    inner join runs on histories.run_id = runs.run_id
    where
        histories.level = 'source_date'
        and {{ is_implausible_date('histories.date_stamp', 'runs.fetched_at') }}

),

requested_dates as (

    select
        'requested_date' as place,
        date_stamps.run_id,
        {{ no_source }},
        date_stamps.date_stamp,
        false as is_last_event
    from date_stamps
    inner join runs on date_stamps.run_id = runs.run_id
    where {{ is_implausible_date('date_stamps.date_stamp', 'runs.fetched_at') }}

),

final as (

    select * from creations

    union all

    select * from updates

    union all

    select * from events

    union all

    select * from bucket_dates

    union all

    select * from requested_dates

)

select * from final
