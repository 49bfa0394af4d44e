{{ config(schema=var('staging_schema')) }}

-- Both levels in one shape, so that stage, phase, attempt and outcome are defined once for both. A history is named
-- by level, run, source and date stamp; the last two are null at run level.

with run_status_events as (

    select * from {{ named_in_view(source('statsig_raw', 'run_status_events')) }}

),

source_date_status_events as (

    select * from {{ named_in_view(source('statsig_raw', 'source_date_status_events')) }}

),

status_catalogue as (

    select * from {{ named_in_view(ref('status_catalogue')) }}

),

both_levels as (

    select
        {{ text("'run'") }} as level,
        {{ text('run_id') }} as run_id,
        cast(null as {{ dbt.type_string() }}) as source,
        cast(null as date) as date_stamp,
        event_index,
        {{ text('status') }} as status,
        status_at
    from run_status_events

    union all

    select
        {{ text("'source_date'") }} as level,
        {{ text('run_id') }} as run_id,
        {{ text('source') }} as source,
        date_stamp,
        event_index,
        {{ text('status') }} as status,
        status_at
    from source_date_status_events

),

classified as (

    select
        -- ids
        both_levels.level,
        both_levels.run_id,
        both_levels.source,
        both_levels.date_stamp,
        both_levels.event_index,

        -- strings
        both_levels.status,
        {{ text("coalesce(status_catalogue.stage, " ~ stage_of('both_levels.status') ~ ")") }} as stage,
        {{ text("coalesce(status_catalogue.phase, " ~ phase_of('both_levels.status') ~ ")") }} as phase,

        -- timestamps
        both_levels.status_at

    from both_levels
    left join status_catalogue on both_levels.status = status_catalogue.status

)

select * from classified
