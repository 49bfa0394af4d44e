with runs as (

    select distinct created_date from {{ ref('agg_daily') }}

),

buckets as (

    select distinct created_date from {{ ref('agg_source_daily') }}

),

dates as (

    select distinct date_stamp from {{ ref('fct_date_freshness') }}

),

final as (

    select created_date as calendar_day from runs

    union

    select created_date as calendar_day from buckets

    union

    select date_stamp as calendar_day from dates

)

select * from final
