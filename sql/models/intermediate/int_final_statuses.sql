{{ config(
    schema=var('staging_schema'),
    materialized='table',
    post_hook="{{ statsig_runs.strike('int_modelled_sources', 'source', 'is_changed and not is_gone') }}",
) }}

{%- set modelled = modelled('int_modelled_sources') %}

-- Where a source's histories end when all is well. Three settled ones are enough to know, of twenty at the most; one in
-- ten may end elsewhere, but not the newest two, which would be a new habit.

with sources as (

    select distinct source from {{ ref('int_histories') }}
    where level = 'source_date'

),

completed as (

    select
        source,
        run_id,
        date_stamp,
        last_status,
        ordered_at,
        {{ utc_date('ordered_at') }} as ordered_date
    from {{ ref('int_histories') }}
    where
        level = 'source_date'
        and last_attempt_outcome = 'complete'
        and last_stage <> 'queue'
        and is_settled
        -- not by times that cannot be
        and ordered_at is not null
        and {{ utc_date('last_event_at') }} >= cast('2015-01-01' as date)

),

days as (

    select
        source,
        ordered_date,
        count(*) as bucket_count
    from completed
    group by source, ordered_date

),

days_with_newer as (

    select
        source,
        ordered_date,
        sum(bucket_count) over (partition by source order by ordered_date desc) - bucket_count as newer_count
    from days

),

-- the newest twenty are of the newest days: no need to rank the others
ranked as (

    select
        completed.source,
        completed.last_status,
        row_number() over (
            partition by completed.source order by {{ newest_first(['completed.run_id', 'completed.date_stamp']) }}
        ) as position
    from completed
    inner join days_with_newer
        on
            completed.source = days_with_newer.source
            and completed.ordered_date = days_with_newer.ordered_date
    where days_with_newer.newer_count < 20

),

endings as (

    select
        source,
        last_status,
        count(*) as bucket_count,
        count(case when position <= 2 then 1 end) as newest_count
    from ranked
    where position <= 20
    group by source, last_status

),

totals as (

    select
        source,
        sum(bucket_count) as total_count
    from endings
    group by source

),

habits as (

    select
        endings.source,
        endings.last_status
    from endings
    inner join totals on endings.source = totals.source
    where
        totals.total_count >= 3
        and endings.bucket_count * 10 >= totals.total_count * 9
        and endings.newest_count > 0

),

wanted as (

    select
        sources.source,
        habits.last_status as final_status
    from sources
    left join habits on sources.source = habits.source

),

{% if modelled %}

modelled as (

    select * from {{ modelled }}

),

final as (

    select
        coalesce(wanted.source, modelled.source) as source,
        wanted.final_status,
        wanted.source is null as is_gone,
        (
            wanted.source is null
            or modelled.source is null
            or coalesce(wanted.final_status, '') <> coalesce(modelled.final_status, '')
        ) as is_changed
    from wanted
    full outer join modelled on wanted.source = modelled.source

)

{% else %}

final as (

    select
        source,
        final_status,
        false as is_gone,
        true as is_changed
    from wanted

)

{% endif %}

select * from final
